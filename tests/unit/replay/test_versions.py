"""A canary against the stable version: in the same windows, and how far chance would go."""

import random

import pytest

MINUTE = 60_000
START = 1_764_000_000_000 // MINUTE * MINUTE
ROWS = 200
CONFIG = """
defaults: {windows: [1m], lateness: 10s, reference: {learn: "off"}}
models:
  - {name: m, task: binary, positive: "yes", labels: {horizon: 10m}}
rules:
  - name: canary
    metric: quality.accuracy
    when: "drop > 0.10"
    baseline: "version:7"
    window: 1m
"""


def story(right, versions=("7", "10"), label_after=lambda version: 5_000, minutes=12, seed=4):
    rnd = random.Random(seed)
    predictions, labels = [], []
    for minute in range(minutes):
        for n in range(ROWS):
            for version in versions:
                ts = START + minute * MINUTE + n * (MINUTE // ROWS)
                said = "yes" if rnd.random() < right(minute, version) else "no"
                identity = f"{minute}-{n}-{version}"
                event = {"id": identity, "model": "m", "version": version, "ts": ts}
                predictions.append({**event, "prediction": said})
                labels.append({"id": identity, "ts": ts + label_after(version), "label": "yes"})
    return predictions, sorted(labels, key=lambda label: label["ts"])


def worse_from_the_sixth(canary):
    return lambda minute, version: 0.6 if version == canary and minute >= 6 else 0.9


def told(outcome):
    return [
        ((one.window.start - START) // MINUTE, str(one.status), one.version)
        for one in outcome.alerts
    ]


@pytest.mark.parametrize("canary", ["10", "8"], ids=["sorts before", "sorts behind"])
def test_a_canary_that_is_worse_fires_and_says_how_far(replayed, canary):
    predictions, labels = story(worse_from_the_sixth(canary), ("7", canary))
    outcome = replayed(predictions, CONFIG, labels=labels).outcome
    assert told(outcome) == [(6, "firing", canary)]
    (alert,) = outcome.alerts
    (evidence,) = [one for one in alert.evidence if "interval" in one.text]
    assert (evidence.before, evidence.after) == (alert.baseline, alert.value)
    assert "the version beside it has 0.9" in evidence.text
    between = alert.value - alert.baseline
    low, high = (float(word) for word in evidence.text.split("interval ")[1][:-1].split(" to "))
    assert low < between < high < -0.1
    assert high - low < 0.2


@pytest.mark.parametrize("canary", ["10", "8"], ids=["sorts before", "sorts behind"])
def test_what_both_suffer_in_one_window_is_no_difference(replayed, canary):
    predictions, labels = story(lambda minute, _: 0.5 if minute in (4, 7) else 0.95, ("7", canary))
    assert told(replayed(predictions, CONFIG, labels=labels).outcome) == []


def test_a_canary_whose_labels_come_first_waits_for_those_of_the_stable_version(replayed):
    def late(version):
        return 5_000 if version == "10" else 200_000

    config = CONFIG.replace("horizon: 10m", "horizon: 10m, wait: 5m")
    both = story(lambda minute, _: 0.5 if minute in (4, 7) else 0.95, label_after=late)
    assert told(replayed(both[0], config, labels=both[1]).outcome) == []
    worse = story(worse_from_the_sixth("10"), label_after=late)
    assert told(replayed(worse[0], config, labels=worse[1]).outcome) == [(6, "firing", "10")]


def test_without_the_stable_version_in_the_window_nothing_is_compared(replayed):
    predictions, labels = story(worse_from_the_sixth("10"))
    since = START + 6 * MINUTE
    kept = [one for one in predictions if one["version"] == "10" or one["ts"] < since]
    assert told(replayed(kept, CONFIG, labels=labels).outcome) == []


@pytest.mark.parametrize("canary", ["10", "8"], ids=["sorts before", "sorts behind"])
def test_what_needs_no_labels_is_compared_in_the_same_window_too(replayed, canary):
    config = CONFIG.replace("quality.accuracy", "latency.error_rate").replace("drop >", "rise >")
    rnd = random.Random(6)
    predictions, latencies = story(lambda *_: 1.0, ("7", canary))[0], []
    for one in predictions:
        minute = (one["ts"] - START) // MINUTE
        failing = 0.5 if minute == 4 else 0.4 if minute >= 8 and one["version"] == canary else 0.02
        event = {"model": "m", "version": one["version"], "ts": one["ts"], "latency_ms": 5}
        latencies.append({**event, "status": 500 if rnd.random() < failing else 200})
    outcome = replayed(predictions, config, latencies=latencies).outcome
    assert told(outcome) == [(8, "firing", canary)]
    texts = [one.text for one in outcome.alerts[0].evidence]
    assert any("95 % interval 0." in text for text in texts), texts
