"""What the live screen shows of a status, and that it fits."""

from dataclasses import replace

import pytest
from rich.console import Console

from inferwatch.events.alert import Alert, AlertKind, AlertWindow, Severity, Status
from inferwatch.top.looks import Look, Looks
from inferwatch.top.rates import rows_per_s
from inferwatch.top.screen import screen
from pipeline.epoch import Rebuild
from pipeline.status import ModelStatus, PartitionStatus, SystemStatus

NOW = 1_764_000_000_000


def partition(number=0, **change):
    plain = {"offset": 9, "lag": 3, "rows": 1_000, "duplicates": 0, "too_late": 0, "rejected": {}}
    same = {"topic": "inference.predictions", "partition": number, "worker": "w"}
    return PartitionStatus(**same | plain | change)


def model(name="fraud", **change):
    plain = {"watermark": NOW - 4_000, "behind_ms": 4_000, "window": "1m", "rows": 600}
    return ModelStatus(model=name, **plain | {"completeness": 1.0} | change)


def alert(incident="abc", severity=Severity.PAGE, **change):
    plain = Alert(
        fingerprint="f",
        incident=incident,
        status=Status.FIRING,
        severity=severity,
        starts_at=NOW - 61_000,
        ends_at=None,
        updated_at=NOW,
        rule="accuracy-low",
        kind=AlertKind.QUALITY,
        model="fraud",
        version="7",
        segment=None,
        window=AlertWindow(window="1m", start=0, end=60_000, revision=0),
        metric="quality.accuracy",
        value=0.7,
        baseline=None,
        threshold=0.8,
        rows=600,
        completeness=1.0,
        labels={},
        summary="accuracy of fraud fell to 0.7",
    )
    return replace(plain, **change)


def status(**change):
    plain = {"at": NOW, "workers": 1, "lag": 3, "partitions": [partition()], "models": [model()]}
    return SystemStatus(**plain | change)


def shown(status, rate=12.0, *, height=30, width=100, trouble=""):
    console = Console(width=width, height=height, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(screen(status, rate, height=height, trouble=trouble))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_all_that_status_tells_is_on_the_screen():
    lines = shown(status(firing=[alert()], models=[model(), model("slow", completeness=0.5)]))
    assert lines[0] == ("inferwatch 16:00:00 UTC   1 worker   12 rows/s   3 records to go   q ends")
    assert lines[2].split() == [
        "model",
        "rows/s",
        "watermark",
        "window",
        "rows",
        "complete",
        "firing",
    ]
    assert lines[3].split() == ["fraud", "10.0", "4", "s", "ago", "1m", "600", "100.0%", "1"]
    assert lines[4].split() == ["slow", "10.0", "4", "s", "ago", "1m", "600", "50.0%", "-"]
    assert lines[6:] == [
        "1 incident firing",
        "page    for 61 s        abc  accuracy of fraud fell to 0.7",
    ]


def test_what_is_not_known_is_a_dash():
    unknown = model(behind_ms=None, watermark=None, window=None, rows=None, completeness=None)
    lines = shown(status(models=[unknown]), None)
    assert "- rows/s" in lines[0]
    assert lines[3].split() == ["fraud", "-", "-", "-", "-", "-", "-"]
    assert lines[5] == "nothing fires"
    assert "no model has sent anything yet" in shown(status(models=[]))


def test_what_is_wrong_is_said():
    parts = [partition(worker=None), partition(1, rejected={"no_ts": 2}, too_late=7)]
    lines = shown(
        status(workers=0, partitions=parts, rebuild=Rebuild(counted=1_200, of=5_000)),
        trouble="Kafka: no answer",
    )
    assert "0 workers" in lines[0] and "1 partition without a worker" in lines[0]
    assert lines[1] == "Kafka: no answer"
    assert lines[2] == "reading the log again: 1,200 of 5,000 records"
    assert lines[-1] == "rejected: 2 no_ts   7 too late"


@pytest.mark.parametrize("height", [13, 16, 24, 60])
@pytest.mark.parametrize(("models", "alerts"), [(0, 0), (1, 50), (50, 0), (50, 1), (50, 50)])
def test_it_fits_the_terminal_and_says_what_is_left_out(height, models, alerts):
    full = status(
        models=[model(f"m{n}") for n in range(models)],
        firing=[alert(f"i{n}", model=f"m{models - 1}") for n in range(alerts)],
        partitions=[partition(rejected={"no_ts": 1})],
        rebuild=Rebuild(counted=1, of=2),
    )
    lines = shown(full, height=height, trouble="Kafka: no answer")
    assert len(lines) <= height
    seen = sum(line.startswith("m") for line in lines) - bool(models)
    told = [line for line in lines if line.startswith("…")]
    assert (seen < models) == any(f"{models - seen} more" in line for line in told)
    if models and alerts:
        assert any(line.startswith(f"m{models - 1} ") for line in lines), "what fires stands first"


def test_what_is_long_takes_no_room_from_what_is_short():
    long = status(models=[model("m" * 200)], firing=[alert("i" * 20, summary="s" * 500)])
    lines = shown(long)
    assert lines[3].split()[1:] == ["10.0", "4", "s", "ago", "1m", "600", "100.0%", "-"]
    assert lines[6].startswith(f"page    for 61 s        {'i' * 20}  sss")
    assert lines[6].endswith("…") and len(lines[6]) == 100


def test_pages_stand_before_tickets():
    firing = [alert("a", Severity.TICKET, starts_at=NOW), alert("b", Severity.PAGE)]
    assert [line.split()[0] for line in shown(status(firing=firing))[-2:]] == ["page", "ticket"]


def test_a_name_cannot_command_the_terminal():
    text = "\n".join(shown(status(models=[model("\x1b[2Jevil")], firing=[alert(summary="\x07")])))
    assert "\x1b" not in text and "\x07" not in text
    assert "\\x1b[2Jevil" in text


def test_the_rate_is_that_between_two_looks():
    later = status(at=NOW + 2_000, partitions=[partition(rows=1_500)])
    assert rows_per_s(status(), later) == 250.0
    assert rows_per_s(None, later) is None
    emptied = status(at=NOW + 2_000, partitions=[partition(rows=5)])
    assert rows_per_s(status(), emptied) is None


def test_a_look_that_fails_keeps_what_was_seen_and_says_why():
    answers = [status(), ConnectionError("Kafka is away"), status(at=NOW + 1_000)]

    def read():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    looks = Looks(read, every_s=3_600)
    try:
        second = looks.next(looks.last)
        assert second == Look(status(), None, "Kafka is away")
        assert looks.next(second) == Look(status(at=NOW + 1_000), 0.0, "")
    finally:
        looks.close()
