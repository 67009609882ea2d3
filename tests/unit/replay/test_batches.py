"""However the files are cut into parts, the replay says the same, revision by revision."""

import random
from typing import Any

import pytest

from inferwatch.events.json_codec import dumps
from pipeline.replay import event_lines

START = 1_764_000_000_000

CONFIG = """
defaults: {windows: [10s, 30s/10s], lateness: 5s, reference: {learn: "off"}}
retention: {restate: 20s}
models:
  - {name: a, task: binary, positive: "yes", labels: {horizon: 60s}, segments: [region]}
  - {name: b, task: binary, positive: "yes", windows: [15s], lateness: 8s, labels: {horizon: 90s}}
rules:
  - {name: low, metric: quality.accuracy, when: "< 0.6", severity: page}
  - {name: slow, metric: latency.p95_ms, when: "> 60", severity: ticket}
"""


def events(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Seven minutes of two models: rows that come late, twice, or not at all, and their labels."""
    rnd = random.Random(seed)
    predictions, latencies, resources, labels = [], [], [], []
    for n in range(400):
        at = n * 1_100
        late = rnd.choice([0, 0, 0, 0, 2_000, 9_000, 30_000, 70_000])
        model = rnd.choice("ab")
        ts = START + at - late
        event = {
            "id": f"i{n}", "model": model, "version": rnd.choice("12"), "ts": ts,
            "prediction": rnd.choice(["yes", "no"]), "features": {"x": rnd.gauss(0, 1)},
            "segment": {"region": rnd.choice(["eu", "us"])}, "origin": "s", "seq": n,
        }  # fmt: skip
        if rnd.random() < 0.01:
            event["ts"] = "soon"
        if rnd.random() < 0.99:
            predictions.append(event)
        if rnd.random() < 0.02:
            predictions.append(event)
        latencies.append({"model": model, "ts": ts, "latency_ms": rnd.expovariate(1 / 20)})
        if n % 25 == 0:
            resources.append({"model": model, "ts": START + at, "cpu_percent": rnd.random() * 100})
        if rnd.random() < 0.9 and ts != "soon":
            told = ts + rnd.randrange(100_000)
            labels.append({"id": f"i{n}", "ts": told, "label": rnd.choice(["yes", "no"])})
    rnd.shuffle(labels)
    return {
        "predictions": predictions,
        "latencies": latencies,
        "resources": resources,
        "labels": labels,
    }


@pytest.mark.parametrize("with_labels", [False, True])
def test_part_sizes_change_nothing(replayed, monkeypatch, with_labels):
    given = events(7)
    if not with_labels:
        del given["labels"]
    whole = replayed(**given, config=CONFIG, revisions=True)
    assert whole.plain["too_late"] and whole.plain["duplicates"] and whole.plain["lost"]
    assert any(window["revision"] for window in whole.windows)
    plain = whole.plain
    counted = plain["rows"] + plain["duplicates"] + sum(plain["deadletter"].values())
    assert counted == len(given["predictions"])
    assert whole.outcome.alerts
    for lines in (1, 90):
        monkeypatch.setattr(event_lines, "LINES", lines)
        cut = replayed(**given, config=CONFIG, revisions=True)
        assert cut.plain == whole.plain
        assert cut.lines == whole.lines
        assert [dumps(a) for a in cut.outcome.alerts] == [dumps(a) for a in whole.outcome.alerts]


def test_the_last_revision_stands_alone(replayed):
    given = events(8)
    every = replayed(**given, config=CONFIG, revisions=True)
    last = replayed(**given, config=CONFIG)
    highest = {}
    for window in every.windows:
        name = tuple(window[k] for k in ("model", "version", "segment", "window", "start"))
        assert window["revision"] == (highest[name]["revision"] + 1 if name in highest else 0)
        highest[name] = window
    assert list(highest.values()) == last.windows
    assert len(last.windows) == last.plain["windows"] == every.plain["windows"]
