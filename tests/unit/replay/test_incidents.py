"""Alerts of a replay, and how they do against known bad times."""

import json

import pytest
from replay_events import START, row

from inferwatch.errors import UsageError
from inferwatch.events.alert import Severity
from pipeline.replay.known import BadTime, Episode, read_bad_times, score

MINUTE = 60_000
RULES = """
defaults: {windows: [1m], lateness: 10s, reference: {learn: "off"}}
models: [{name: shop, task: binary, positive: "yes", labels: {horizon: 10m}}]
rules:
  - {name: slow, metric: latency.p95_ms, when: "> 100", severity: page}
  - {name: wrong, metric: quality.accuracy, when: "< 0.5", severity: ticket}
"""


def day(bad):
    """Twenty minutes; in the minutes of `bad` answers are slow and wrong."""
    rows, latencies, labels = [], [], []
    for n in range(240):
        after_s = n * 5
        is_bad = after_s // 60 in bad
        rows.append(row(after_s, id=f"i{n}", prediction="no" if is_bad else "yes"))
        latencies.append({**row(after_s), "latency_ms": 500.0 if is_bad else 10.0})
        labels.append({"id": f"i{n}", "ts": rows[-1]["ts"] + 30_000, "label": "yes"})
    return {"predictions": rows, "latencies": latencies, "labels": labels}


def test_alerts_fire_and_resolve_in_event_time(replayed):
    got = replayed(**day(range(5, 8)), config=RULES)
    assert (got.plain["pages"], got.plain["tickets"], got.plain["incidents"]) == (1, 1, 2)
    told = [(a.rule, str(a.status), (a.updated_at - START) // MINUTE) for a in got.outcome.alerts]
    assert ("slow", "firing", 6) in told
    assert ("slow", "resolved", 9) in told
    assert [t for *_, t in told] == sorted(t for *_, t in told)
    again = replayed(**day(range(5, 8)), config=RULES)
    assert again.outcome.alerts == got.outcome.alerts


def test_known_bad_times_are_found_or_missed(replayed):
    bad_times = [
        BadTime("shop", START + 5 * MINUTE, START + 8 * MINUTE, "slow disk"),
        BadTime("shop", START + 15 * MINUTE, START + 16 * MINUTE, "nobody noticed"),
        BadTime("other", START + 5 * MINUTE, START + 8 * MINUTE, "another model"),
    ]
    got = replayed(**day([5, 6, 7, 12]), config=RULES, bad_times=bad_times)
    known = got.plain["known"]
    assert [one["name"] for one in known["found"]] == ["slow disk"]
    assert known["found"][0]["delay_ms"] == MINUTE
    assert [one["name"] for one in known["missed"]] == ["nobody noticed", "another model"]
    assert known["false"] == 2


def episode(start, fired, end, **more):
    plain = {
        "incident": f"{start}", "model": "m", "rule": "r", "kind": "latency",
        "severity": Severity.PAGE, "corrected": False, "summary": "", "cause": None,
    }  # fmt: skip
    return Episode(starts_at=start, fired_at=fired, ends_at=end, **{**plain, **more})


def test_the_first_alert_inside_counts():
    bad = [BadTime("m", 100, 200, "x")]
    assert score(bad, [episode(120, 150, 300), episode(110, 130, None)]).found == [(bad[0], 30)]
    assert score(bad, [episode(50, 90, 150)]).missed == bad, "it fired before"
    assert score(bad, [episode(200, 210, None)]).missed == bad, "it began after"
    assert not score(bad, [episode(120, 130, 140, severity=Severity.INFO)]).found


@pytest.mark.parametrize("name", ["known.csv", "known.jsonl"])
def test_bad_times_come_from_a_file(tmp_path, name):
    rows = [{"model": "m", "start": 5, "end": 9, "name": "x"}, {"model": "7", "start": 1, "end": 2}]
    if name.endswith("csv"):
        text = "model,start,end,name\nm,5,9,x\n7,1,2,\n"
    else:
        text = "".join(json.dumps(one) + "\n" for one in rows)
    (tmp_path / name).write_text(text)
    assert read_bad_times(tmp_path / name) == [
        BadTime("m", 5, 9, "x"),
        BadTime("7", 1, 2, "7 at 1"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,start\nm,1\n", "no column 'end'"),
        ("model,start,end\nm,2,1\n", "is not after"),
        ("model,start,end\nm,noon,1\n", "no time in milliseconds"),
        ("model,start,end\n,1,2\n", "names no model"),
    ],
)
def test_what_is_wrong_with_them_is_said(tmp_path, text, said):
    (tmp_path / "known.csv").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_bad_times(tmp_path / "known.csv")
