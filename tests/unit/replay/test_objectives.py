"""Objectives in a replay: counted from the events, told in event time."""

import pytest
from replay_events import START, row

MINUTE = 60_000
CONFIG = """
defaults: {{windows: [1m, 5m], lateness: 10s, reference: {{learn: "off"}}}}
models: [{{name: shop, task: binary, positive: "yes", labels: {{horizon: 10m}}}}]
rules: [{{name: promise, slo: {{{slo}}}, severity: page, {keys}}}]
"""


def two_hours(bad):
    """Ten requests a minute; in the minutes of `bad` they take 500 ms, fail and are wrong."""
    rows, latencies, labels = [], [], []
    for n in range(1200):
        after_s = n * 6
        is_bad = after_s // 60 in bad
        rows.append(row(after_s, id=f"i{n}", prediction="no" if is_bad else "yes"))
        slow = {"latency_ms": 500.0 if is_bad else 10.0, "status": 503 if is_bad else 200}
        latencies.append({**row(after_s), **slow})
        labels.append({"id": f"i{n}", "ts": rows[-1]["ts"] + 30_000, "label": "yes"})
    return {"predictions": rows, "latencies": latencies, "labels": labels}


@pytest.mark.parametrize(
    ("slo", "keys", "told"),
    [
        # 14.4 of an hour's average with a hundred times the burn: in the ninth bad minute.
        ("metric: latency.slow_rate, over: 300ms, objective: 99", "", [(69, "firing")]),
        ("metric: latency.slow_rate, over: 600ms, objective: 99", "", []),
        ("metric: latency.error_rate, objective: 99", "", [(69, "firing")]),
        ("metric: quality.accuracy, objective: 95", "", []),
        ("metric: quality.accuracy, objective: 99", "", [(69, "firing")]),
        ("metric: latency.error_rate, objective: 99, period: 15d", "", [(65, "firing")]),
        ("metric: latency.error_rate, objective: 99", "window: 5m, ", [(70, "firing")]),
    ],
)
def test_an_objective_is_judged_by_its_burn(replayed, slo, keys, told):
    got = replayed(**two_hours(range(60, 72)), config=CONFIG.format(slo=slo, keys=keys))
    alerts = [a for a in got.outcome.alerts if a.severity == "page"]
    times = [((a.window.end - START) // MINUTE, str(a.status)) for a in alerts]
    assert times[:1] == told
    assert [a.status for a in alerts[1:]] == ["resolved"] * len(told)


def test_windows_say_how_many_were_slow_where_an_objective_asks(replayed):
    slo = "metric: latency.slow_rate, over: 300ms, objective: 99"
    asked = replayed(**two_hours([5]), config=CONFIG.format(slo=slo, keys=""))
    assert asked.window(window="1m", start=START + 5 * MINUTE)["latency"]["slow"] == {"300ms": 10}
    assert asked.window(window="5m", start=START)["latency"]["slow"] == {"300ms": 0}
    slo = "metric: latency.error_rate, objective: 99"
    plain = replayed(**two_hours([5]), config=CONFIG.format(slo=slo, keys=""))
    other = CONFIG.format(slo=slo.replace("error", "slow") + ", over: 1s", keys="models: bank")
    unasked = replayed(**two_hours([5]), config=other)
    for got in (plain, unasked):
        assert "slow" not in got.window(window="1m", start=START)["latency"]
