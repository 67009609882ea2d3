"""What on-call reads, word by word: one file an incident in tests/golden/alerts.

A change of wording shows here as a difference to be read and judged. `UPDATE_GOLDEN=1` writes the
files anew.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from made_faults import ROWS, bad_quality, by_carrier, calm, columns, incident
from made_windows import MadeModel, latency_of, quality_of

from inferwatch.events.alert import Alert

GOLDEN = Path(__file__).parents[2] / "golden" / "alerts"


def changed(**features):
    def make(rng):
        fresh = columns(rng)
        return bad_quality(rng, **{name: change(fresh[name]) for name, change in features.items()})

    return make


def holes(values):
    return np.where(np.arange(len(values)) % 3 == 0, np.nan, values)


def zeros(values):
    return np.where(np.arange(len(values)) % 5 < 3, 0.0, values)


def newcomer(values):
    return np.where(np.arange(len(values)) % 5 == 0, "B6", values).astype(object)


def served(**change):
    def make(rng):
        fault = calm(rng)
        for name, value in change.items():
            old = getattr(fault, name)
            setattr(fault, name, {**old, **value} if isinstance(value, dict) else value)
        return fault

    return make


def swapped(rng):
    fault = bad_quality(rng)
    features = fault.features
    features["dep_delay"], features["distance"] = features["distance"], features["dep_delay"]
    return fault


def one_carrier(rng):
    fault = by_carrier(bad_quality(rng))
    fault.segment_right = {"carrier=UA": 20}
    fault.quality = quality_of(440, ROWS)
    return fault


def never_good(rng):
    return served(quality=quality_of(int(rng.binomial(ROWS, 0.75)), ROWS))(rng)


def calm_carriers(rng):
    return by_carrier(calm(rng))


MIB = 2.0**20
STORIES = {
    "seconds-for-minutes-quality": (changed(dep_delay=lambda v: v * 60), "accuracy-low", {}),
    "seconds-for-minutes-drift": (changed(dep_delay=lambda v: v * 60), "input-drift", {}),
    "fahrenheit": (changed(temp=lambda v: v * 1.8 + 32), "input-drift", {}),
    "other-population": (changed(dep_delay=lambda v: v * 1.7 + 12), "accuracy-low", {}),
    "missing": (changed(dep_delay=holes), "missing", {}),
    "missing-quality": (changed(dep_delay=holes), "accuracy-low", {}),
    "zeros": (changed(distance=zeros), "input-drift", {}),
    "stuck": (changed(temp=lambda v: np.full(len(v), 13.4)), "accuracy-low", {}),
    "new-carrier": (changed(carrier=newcomer), "new-values", {}),
    "gone": (changed(distance=lambda v: np.full(len(v), np.nan)), "missing", {}),
    "swapped": (swapped, "accuracy-low", {}),
    "one-carrier": (one_carrier, "accuracy-low", {"before": calm_carriers}),
    "one-answer": (served(prediction=np.full(ROWS, "ok", object)), "one-answer", {}),
    "other-truth": (changed(), "accuracy-low", {}),
    "wrong-labels": (served(quality=quality_of(200, ROWS, positive=430)), "accuracy-low", {}),
    "overfit": (
        never_good,
        "accuracy-low",
        {"before": never_good, "model": MadeModel(expect={"train_accuracy": 0.99})},
    ),
    "load": (
        served(latency=latency_of(count=1800, p95=90.0), resources={"cpu_percent": 98.0}),
        "slow",
        {},
    ),
    "memory": (
        served(latency=latency_of(p95=90.0), resources={"rss_bytes": 1500 * MIB}),
        "slow",
        {},
    ),
    "errors": (served(latency=latency_of(errors=120)), "errors", {}),
    "dead": (served(latency=latency_of(count=60), rows=60), "few", {}),
    "blind": (served(lost=300), "blind", {}),
}


def as_read(alerts: list[Alert]) -> str:
    """The incident as a person reads it."""
    lines = []
    for alert in alerts:
        lines += [f"{alert.status} {alert.severity} {alert.kind} {alert.rule}", alert.summary]
        if str(alert.status) == "firing":
            lines += [f"  cause {c.cause} {c.confidence}: {c.why}" for c in alert.causes]
            lines += [f"  evidence {e.metric}: {e.text}" for e in alert.evidence]
            for todo in alert.suggestions:
                lines += [f"  do {todo.text}", *([f"     $ {todo.command}"] * bool(todo.command))]
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize("name", sorted(STORIES))
def test_what_on_call_reads(name):
    make, rule, keys = STORIES[name]
    text = as_read(incident(make, rule, **keys))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()


def test_every_golden_file_is_told():
    assert {p.stem for p in GOLDEN.glob("*.txt")} == STORIES.keys()
