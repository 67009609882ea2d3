"""The built-in set: silent in good times, at once on hard faults."""

from dataclasses import replace

import numpy as np
import pytest
from made_windows import MadeModel, latency_of, quality_of, reference_of, window_of

from inferwatch.events.alert import Severity
from pipeline.rules.watch import ModelWatch

ROWS = 600


def columns(rng, size=ROWS):
    return {
        "dep_delay": np.round(
            np.where(rng.random(size) < 0.6, rng.normal(-4, 4, size), rng.exponential(45, size))
        ),
        "distance": np.round(rng.gamma(2, 400, size)),
        "carrier": rng.choice(np.array(["AA", "DL", "UA"], object), size, p=[0.5, 0.3, 0.2]),
    }


def answers(rng, size=ROWS, late=0.25):
    return np.where(rng.random(size) < late, "late", "ok").astype(object)


RNG = np.random.default_rng(5)
REFERENCE = reference_of(
    columns(RNG, 20_000), prediction=answers(RNG, 20_000), performance={"accuracy": 0.9}
)


def good(rng, i, *, features=None, prediction=None, right=None, latency=None, **keys):
    return window_of(
        i,
        columns(rng) if features is None else features,
        reference=REFERENCE,
        prediction=answers(rng) if prediction is None else prediction,
        quality=quality_of(int(rng.binomial(ROWS, 0.9)) if right is None else right, ROWS),
        latency=latency or latency_of(p95=float(20 + rng.gamma(2, 1))),
        **keys,
    )


def watch():
    return ModelWatch(MadeModel(), None, retention_ms=86_400_000)


def judge(watcher, window, reference=REFERENCE):
    alerts = watcher.judge(window, part="final", reference=reference)
    return alerts + watcher.judge(window, part="quality", reference=reference)


def test_six_hours_of_good_windows_raise_nothing():
    rng, watcher = np.random.default_rng(1), watch()
    told = [a.summary for i in range(360) for a in judge(watcher, good(rng, i))]
    assert told == []


def story(fault, *, after=40, lasting=6):
    """The alerts of a fault after a calm time, each with the windows it took."""
    rng, watcher = np.random.default_rng(2), watch()
    for i in range(after):
        assert judge(watcher, good(rng, i)) == []
    return [
        (alert, i)
        for i in range(lasting)
        for alert in judge(watcher, fault(rng, after + i))
        if str(alert.status) == "firing"
    ]


def times_1000(rng, i):
    features = columns(rng)
    features["distance"] = features["distance"] * 1000
    return good(rng, i, features=features)


def all_missing(rng, i):
    features = columns(rng)
    features["distance"] = np.full(ROWS, np.nan)
    return good(rng, i, features=features)


def some_missing(rng, i):
    features = columns(rng)
    features["distance"][rng.random(ROWS) < 0.1] = np.nan
    return good(rng, i, features=features)


def unseen(rng, i):
    features = columns(rng)
    features["carrier"][:90] = "ZZ"
    return good(rng, i, features=features)


def one_answer(rng, i):
    return good(rng, i, prediction=np.full(ROWS, "ok", object))


def inaccurate(rng, i):
    return good(rng, i, right=480)


def failing(rng, i):
    return good(rng, i, latency=latency_of(errors=300))


def slow(rng, i):
    return good(rng, i, latency=latency_of(p95=60.0))


def lossy(rng, i):
    return good(rng, i, lost=200)


@pytest.mark.parametrize(
    ("fault", "rule", "severity", "kind", "windows", "cause"),
    [
        (times_1000, "input-drift", "ticket", "input_drift", 0, "unit_change"),
        (all_missing, "schema-break", "page", "data_quality", 0, "schema_change"),
        (some_missing, "data-quality", "ticket", "data_quality", 1, "missing_values"),
        (unseen, "data-quality", "ticket", "data_quality", 1, "new_category"),
        (one_answer, "prediction-collapse", "page", "collapse", 0, "prediction_collapse"),
        (inaccurate, "quality-drop", "page", "quality", 0, "concept_change"),
        (failing, "error-rate", "page", "errors", 0, "errors_upstream"),
        (slow, "latency-high", "page", "latency", 2, "unknown"),
        (lossy, "incomplete", "ticket", "blind", 1, "blind"),
    ],
)
def test_a_fault_is_found_in_time_and_named(fault, rule, severity, kind, windows, cause):
    found = {alert.rule: (alert, i) for alert, i in story(fault)}
    assert rule in found, sorted(found)
    alert, took = found[rule]
    assert (alert.severity, str(alert.kind), took) == (Severity(severity), kind, windows)
    assert alert.causes[0].cause == cause, [(c.cause, c.confidence) for c in alert.causes]


def test_a_model_that_was_never_good_is_overfit():
    model = MadeModel(expect={"train_accuracy": 0.99})
    watcher = ModelWatch(model, None, retention_ms=86_400_000)
    rng = np.random.default_rng(4)
    bare = replace(REFERENCE, performance={})
    alerts = [a for i in range(8) for a in judge(watcher, good(rng, i, right=480), reference=bare)]
    assert [(a.rule, str(a.kind), a.causes[0].cause) for a in alerts] == [
        ("overfit", "overfit", "overfit")
    ]


def test_segments_are_left_to_rules():
    watcher, rng = watch(), np.random.default_rng(6)
    bad = replace(inaccurate(rng, 0), segment="carrier=UA")
    assert judge(watcher, bad) + judge(watcher, replace(bad, start=bad.end, end=bad.end + 1)) == []
