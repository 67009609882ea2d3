"""Each fault is injected, and its cause must be named first."""

from dataclasses import replace

import numpy as np
import pytest
from made_faults import (
    REFERENCE,
    ROWS,
    RULES,
    Fault,
    answers,
    bad_quality,
    by_carrier,
    calm,
    columns,
    fired,
    incident,
    windows,
)
from made_windows import MadeModel, latency_of, quality_of

from inferwatch.events.alert import AlertKind
from pipeline.diagnosis.causes import unit_change
from pipeline.diagnosis.examine import diagnose
from pipeline.diagnosis.view import View
from pipeline.rules.watch import ModelWatch

SEEDS = range(2)


def seconds(rng):
    return bad_quality(rng, dep_delay=columns(rng)["dep_delay"] * 60)


def thousandfold(rng):
    return bad_quality(rng, distance=columns(rng)["distance"] * 1000)


def metres(rng):
    return bad_quality(rng, distance=columns(rng)["distance"] * 1609.344)


def fahrenheit(rng):
    return bad_quality(rng, temp=columns(rng)["temp"] * 1.8 + 32)


def kelvin(rng):
    return bad_quality(rng, temp=columns(rng)["temp"] + 273.15)


def missing(rng):
    values = columns(rng)["dep_delay"]
    values[rng.random(ROWS) < 0.3] = np.nan
    return bad_quality(rng, dep_delay=values)


def zeros(rng):
    values = columns(rng)["distance"]
    values[rng.random(ROWS) < 0.6] = 0.0
    return bad_quality(rng, distance=values)


def unknown_carrier(rng):
    values = columns(rng)["carrier"]
    values[rng.random(ROWS) < 0.7] = "unknown"
    return bad_quality(rng, carrier=values)


def stuck(rng):
    return bad_quality(rng, temp=np.full(ROWS, 13.4))


def stuck_category(rng):
    return bad_quality(rng, origin=np.full(ROWS, "JFK", object))


def new_carrier(rng):
    values = columns(rng)["carrier"]
    values[rng.random(ROWS) < 0.2] = "B6"
    return bad_quality(rng, carrier=values)


def lower_case(rng):
    return bad_quality(rng, carrier=np.array([v.lower() for v in columns(rng)["carrier"]], object))


def as_text(rng):
    return bad_quality(rng, distance=np.array([f"{v} mi" for v in range(ROWS)], object))


def gone(rng):
    return bad_quality(rng, distance=np.full(ROWS, np.nan))


def swapped(rng):
    fault = bad_quality(rng)
    features = fault.features
    features["dep_delay"], features["distance"] = features["distance"], features["dep_delay"]
    return fault


def swapped_categories(rng):
    fault = bad_quality(rng)
    features = fault.features
    features["carrier"], features["origin"] = features["origin"], features["carrier"]
    return fault


def stretched(rng):
    return bad_quality(rng, dep_delay=columns(rng)["dep_delay"] * 1.5)


def thirty_more(rng):
    return bad_quality(rng, dep_delay=columns(rng)["dep_delay"] + 30)


def storm(rng):
    values = columns(rng)
    return bad_quality(
        rng,
        dep_delay=values["dep_delay"] * 1.7 + 12,
        temp=values["temp"] - 12,
        distance=values["distance"] * 0.8,
    )


def one_class(rng):
    fault = bad_quality(rng)
    fault.prediction = np.full(ROWS, "ok", object)
    return fault


def other_world(rng):
    return bad_quality(rng)


def flipped_labels(rng):
    fault = bad_quality(rng)
    fault.quality = quality_of(200, ROWS, positive=430)
    return fault


def one_carrier(rng):
    fault = by_carrier(bad_quality(rng))
    fault.segment_right = {"carrier=UA": 20}
    fault.quality = quality_of(440, ROWS)
    return fault


FAULTS = [
    (seconds, "accuracy-low", "unit_change"),
    (seconds, "input-drift", "unit_change"),
    (thousandfold, "accuracy-low", "unit_change"),
    (thousandfold, "input-drift", "unit_change"),
    (metres, "input-drift", "unit_change"),
    (fahrenheit, "input-drift", "unit_change"),
    (kelvin, "input-drift", "unit_change"),
    (missing, "missing", "missing_values"),
    (missing, "accuracy-low", "missing_values"),
    (zeros, "input-drift", "default_value"),
    (unknown_carrier, "new-values", "default_value"),
    (stuck, "input-drift", "stuck_value"),
    (stuck, "accuracy-low", "stuck_value"),
    (stuck_category, "input-drift", "stuck_value"),
    (new_carrier, "new-values", "new_category"),
    (lower_case, "new-values", "schema_change"),
    (as_text, "wrong-type", "schema_change"),
    (as_text, "accuracy-low", "schema_change"),
    (gone, "missing", "schema_change"),
    (swapped, "input-drift", "swapped_columns"),
    (swapped, "accuracy-low", "swapped_columns"),
    (swapped_categories, "new-values", "swapped_columns"),
    (stretched, "input-drift", "population_shift"),
    (stretched, "accuracy-low", "population_shift"),
    (thirty_more, "input-drift", "population_shift"),
    (thirty_more, "accuracy-low", "population_shift"),
    (storm, "input-drift", "population_shift"),
    (storm, "accuracy-low", "population_shift"),
    (one_class, "one-answer", "prediction_collapse"),
    (one_class, "accuracy-low", "prediction_collapse"),
    (other_world, "accuracy-low", "concept_change"),
    (flipped_labels, "accuracy-low", "label_problem"),
    (one_carrier, "accuracy-low", "one_segment"),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("make", "rule", "cause"), FAULTS, ids=[f"{m.__name__}-{r}" for m, r, _ in FAULTS]
)
def test_the_cause_of_a_data_fault(make, rule, cause, seed):
    before = (lambda rng: by_carrier(calm(rng))) if make is one_carrier else calm
    alert = fired(incident(make, rule, seed=seed, before=before))
    ranked = [(c.cause, c.confidence) for c in alert.causes]
    assert ranked[0][0] == cause, ranked
    assert all(0 < confidence < 1 for _, confidence in ranked)
    assert alert.suggestions


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("make", "feature"),
    [
        (seconds, "dep_delay"),
        (thousandfold, "distance"),
        (fahrenheit, "temp"),
        (missing, "dep_delay"),
        (stuck, "temp"),
        (new_carrier, "carrier"),
        (gone, "distance"),
        (stretched, "dep_delay"),
    ],
)
def test_the_feature_at_fault_is_the_first_evidence(make, feature, seed):
    alert = fired(incident(make, "accuracy-low", seed=seed))
    assert alert.evidence[0].metric.startswith(f"features.{feature}.")
    assert feature in alert.causes[0].why


def served(**change):
    def make(rng: np.random.Generator) -> Fault:
        fault = calm(rng)
        return replace(
            fault,
            latency=change.get("latency", fault.latency),
            resources={**fault.resources, **change.get("resources", {})},
            rows=change.get("rows"),
            lost=change.get("lost", 0),
        )

    return make


@pytest.mark.parametrize(
    ("make", "rule", "cause"),
    [
        (
            served(latency=latency_of(count=1800, p95=90.0), resources={"cpu_percent": 98.0}),
            "slow",
            "load",
        ),
        (
            served(latency=latency_of(p95=90.0), resources={"rss_bytes": 1500 * 2.0**20}),
            "slow",
            "memory",
        ),
        (
            served(latency=latency_of(p95=90.0), resources={"net_rx_bytes": 6e6}),
            "slow",
            "network",
        ),
        (served(latency=latency_of(errors=120)), "errors", "errors_upstream"),
        (served(latency=latency_of(errors=120, p95=90.0)), "slow", "errors_upstream"),
        (served(latency=latency_of(p95=90.0)), "slow", "unknown"),
        (served(latency=latency_of(count=60), rows=60), "few", "dead_stream"),
        (served(lost=300), "blind", "blind"),
    ],
    ids=["load", "memory", "network", "errors", "errors-slow", "nothing", "dead", "blind"],
)
def test_the_cause_of_a_service_fault(make, rule, cause):
    alert = fired(incident(make, rule))
    assert alert.causes[0].cause == cause, [(c.cause, c.confidence) for c in alert.causes]


def test_a_new_version_that_is_worse_than_the_one_beside_it():
    rng = np.random.default_rng(7)
    watch = ModelWatch(MadeModel(), RULES, retention_ms=86_400_000)
    alerts = []
    for i in range(16):
        versions = [calm(rng)]
        if i >= 12:
            versions.append(replace(bad_quality(rng), version="2"))
        for fault in versions:
            for window in windows(fault, i):
                for part in ("final", "quality"):
                    alerts += watch.judge(window, part=part, reference=REFERENCE)
    (alert,) = alerts
    assert (alert.version, alert.causes[0].cause) == ("2", "new_version")
    assert "version 1 beside it" in alert.causes[0].why


def never_good(rng):
    return replace(calm(rng), quality=quality_of(int(rng.binomial(ROWS, 0.75)), ROWS))


def test_overfit_and_underfit_are_seen_from_the_first_day():
    over = MadeModel(expect={"train_accuracy": 0.99})
    alert = fired(incident(never_good, "accuracy-low", model=over, before=never_good))
    assert (str(alert.kind), alert.causes[0].cause) == ("overfit", "overfit")
    under = MadeModel(expect={"train_accuracy": 0.77})
    alert = fired(incident(never_good, "accuracy-low", model=under, before=never_good))
    assert (str(alert.kind), alert.causes[0].cause) == ("underfit", "underfit")
    assert alert.labels["kind"] == "underfit"


def test_a_fall_is_not_taken_for_overfitting():
    model = MadeModel(expect={"train_accuracy": 0.99})
    alert = fired(incident(other_world, "accuracy-low", model=model))
    assert "overfit" not in {c.cause for c in alert.causes}


def test_a_segment_is_named_a_window_late_when_the_whole_is_judged_first():
    rng = np.random.default_rng(4)
    patient = [RULES[0].model_copy(update={"for_": 60_000})]
    watch = ModelWatch(MadeModel(), patient, retention_ms=86_400_000)
    alerts = []
    for i in range(10):
        fault = one_carrier(rng) if i >= 5 else by_carrier(calm(rng))
        for window in reversed(windows(fault, i)):
            for part in ("final", "quality"):
                alerts += watch.judge(window, part=part, reference=REFERENCE)
    assert fired(alerts).causes[0].cause == "one_segment"


def test_without_a_reference_the_calm_window_is_compared_with():
    rng = np.random.default_rng(8)

    def bare(fault):
        (window,) = windows(fault, 0)
        return window

    before, now = bare(calm(rng)), bare(seconds(rng))
    view = View(kind=AlertKind.QUALITY, result=now, starts_at=now.start, before=before)
    found = unit_change.examine(view)
    assert found is not None and "dep_delay" in found.cause.why


def test_calm_windows_have_no_cause():
    rng = np.random.default_rng(9)
    for i in range(20):
        (window,) = windows(calm(rng), i)
        view = View(
            kind=AlertKind.INPUT_DRIFT, result=window, starts_at=window.start, reference=REFERENCE
        )
        assert [c.cause for c in diagnose(view).causes] == ["unknown"]


def test_answers_are_made_as_asked():
    share = (answers(np.random.default_rng(0), 0.5, 4000) == "late").mean()
    assert share == pytest.approx(0.5, abs=0.05)
