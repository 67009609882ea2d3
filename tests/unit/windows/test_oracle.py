"""Every value of a window against numpy, scipy and scikit-learn on its raw rows.

`raw_windows` folds the rows in any order and cut, `window_oracle` works the numbers out again.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats
import window_oracle as oracle
from raw_windows import NUMBERS, Raw, Values, classes_of, draw, profile, spoil, window

from inferwatch.events.reference import CategoricalReference, NumericReference, ReferenceProfile
from inferwatch.events.window import CategoricalBlock, NumericBlock, WindowResult
from pipeline.stats import LatencyCounter, RegressionCounter, ResourceCounter
from pipeline.windows.pane import Counts


def check_numeric(block, name: str, values: Values, known, sample: Values | None) -> None:
    usable, edges = None, ()
    if known is not None:
        assert isinstance(known, NumericReference)
        usable = np.array([v for v in sample or () if isinstance(v, float)])
        edges = known.psi_edges
    output = name == "prediction" and known is not None
    expected = oracle.numeric(name, values, usable, edges, entropy=output)
    oracle.compare(block, expected, name)
    if usable is not None and block.count:
        assert block.ks_pvalue == oracle.tail_of(block.ks, block.count, len(usable)), name


def check_inputs(
    result: WindowResult, raw: Raw, reference: ReferenceProfile | None, sample: Raw | None
) -> None:
    """Each feature, the prediction and each score."""
    assert result.features is not None and result.features.keys() == raw.features.keys()
    known = reference.features if reference else {}
    for name, values in raw.features.items():
        block = result.features[name]
        theirs = sample.features[name] if sample else None
        if isinstance(block, NumericBlock):
            check_numeric(block, name, values, known.get(name), theirs)
        else:
            assert name not in known or isinstance(known[name], CategoricalReference)
            oracle.compare(block, oracle.categorical(values, theirs), name)
    block, theirs = result.prediction, sample.prediction if sample else None
    if isinstance(block, CategoricalBlock):
        oracle.compare(block, oracle.categorical(raw.prediction, theirs, entropy=True), "output")
    else:
        output = reference.prediction if reference else None
        check_numeric(block, "prediction", raw.prediction, output, theirs)
    assert (result.scores or {}).keys() == raw.scores.keys()
    for name, score in raw.scores.items():
        theirs = sample.scores[name].tolist() if sample else None
        known_score = reference.scores[name] if reference else None
        check_numeric(result.scores[name], "score", score.tolist(), known_score, theirs)


@pytest.mark.parametrize("rows", [1, 40, 1_500])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("against", ["a reference", "none"])
def test_every_input_of_a_window(rows: int, task: str, against: str) -> None:
    rng = np.random.default_rng(rows)
    sample = draw(rng, 4_000, task, float) if against == "a reference" else None
    reference = profile(sample, task) if sample else None
    raw = draw(rng, rows, task, float)
    result = window(rows, raw, task, reference)
    assert (result.rows, result.reference) == (rows, reference and reference.fingerprint)
    check_inputs(result, raw, reference, sample)


@pytest.mark.parametrize("against", ["a reference", "none"])
def test_rows_that_lack_values_and_hold_wrong_ones(against: str) -> None:
    rng = np.random.default_rng(5)
    sample = draw(rng, 3_000, "binary", float) if against == "a reference" else None
    raw = draw(rng, 600, "binary", float)
    spoil(rng, raw)
    reference = profile(sample, "binary") if sample else None
    result = window(5, raw, "binary", reference)
    if sample is None:
        # Nothing says of which kind a column is that holds no value.
        for name in ("uniform", "two texts"):
            assert result.features is not None and result.features[name].count == 0
            assert result.features[name].missing == 600
            raw.features.pop(name)
        kept = {name: result.features[name] for name in raw.features}
        result = dataclasses.replace(result, features=kept)
    check_inputs(result, raw, reference, sample)


@pytest.mark.parametrize("scale", [0.0, 0.7, 30.0])
def test_a_window_that_moved_away(scale: float) -> None:
    rng = np.random.default_rng(6)
    sample = draw(rng, 3_000, "regression", float)
    raw = draw(rng, 800, "regression", float)
    for name in NUMBERS:
        apart = scale * (float(np.std(sample.features[name])) or 1.0)
        raw.features[name] = [v + apart for v in raw.features[name]]
    raw.prediction = [v + scale * 9 for v in raw.prediction]
    reference = profile(sample, "regression")
    check_inputs(window(6, raw, "regression", reference), raw, reference, sample)


def test_float32_rows_against_a_float64_reference() -> None:
    rng = np.random.default_rng(7)
    sample = draw(rng, 3_000, "regression", float)
    reference = profile(sample, "regression")
    raw = draw(rng, 900, "regression", np.float32)
    result = window(7, raw, "regression", reference, np.float32)
    for name in ("two spikes", "zipf"):
        # A spike's cell is wider than float32 rounding: the same value in two widths is one value.
        rounded = np.array(sample.features[name], np.float32).astype(float)
        sample.features[name] = rounded.tolist()
    check_inputs(result, raw, reference, sample)


def test_no_rows_at_all() -> None:
    nothing = Raw({}, [], {})
    result = window(8, nothing, "binary", None)
    assert (result.rows, result.completeness) == (0, None)
    assert (result.features, result.prediction, result.scores) == (None, None, None)
    assert (result.latency, result.quality, result.resources) == (None, None, None)


@pytest.mark.parametrize("requests", [1, 3, 2_000])
def test_latency_and_resources(requests: int) -> None:
    rng = np.random.default_rng(requests)
    latency = rng.lognormal(3, 1, requests)
    failed = rng.random(requests) < 0.1
    ttft = np.where(rng.random(requests) < 0.5, latency / 3, np.nan)
    tokens = np.where(rng.random(requests) < 0.5, rng.integers(1, 900, requests), np.nan)
    cpu = np.where(rng.random(requests) < 0.9, rng.uniform(0, 100, requests), np.nan)
    cpu[0] = 55.5
    raw = Raw({}, ["yes"] * requests, {})

    def add(counts: Counts, rows: np.ndarray) -> None:
        counts.latency = counts.latency or LatencyCounter()
        counts.latency.update(latency[rows], failed[rows], ttft[rows], tokens[rows])
        counts.resources = counts.resources or ResourceCounter()
        counts.resources.update({"cpu_percent": cpu[rows]})

    result = window(requests, raw, "binary", None, add=add)
    oracle.compare(result.latency, oracle.latency(latency, failed, ttft, tokens, 60), "latency")
    assert result.resources is not None
    block = result.resources["cpu_percent"]
    assert block.mean == pytest.approx(np.nanmean(cpu), rel=1e-12)
    assert block.max == np.nanmax(cpu)


@pytest.mark.parametrize("labels", [2, 60, 1_500])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_quality_of_a_classifier(task: str, labels: int) -> None:
    rng = np.random.default_rng(labels)
    raw = draw(rng, labels, task, float)
    raw.features.clear()
    classes = classes_of(task)
    weights = np.stack([raw.scores[name] for name in classes], axis=1)
    actual = np.array([classes[rng.choice(len(classes), p=row)] for row in weights])
    actual[:2] = classes[:2]
    predicted = np.array(raw.prediction)
    delay = rng.lognormal(12, 1, labels)

    def add(counts: Counts, rows: np.ndarray) -> None:
        counts.quality = counts.quality or counts.rules.quality()
        scores = {name: score[rows] for name, score in raw.scores.items()}
        # A wrong label first, then its correction: it must leave nothing behind.
        wrong = [classes[0]] * len(rows)
        answers = predicted[rows].tolist()
        for texts, sign in ((wrong, 1), (wrong, -1), (actual[rows].tolist(), 1)):
            counts.quality.update(texts, answers, scores, delay[rows], sign)

    result = window(labels, raw, task, None, add=add)
    expected = oracle.classification(
        actual, predicted, raw.scores, delay, labels, "yes" if task == "binary" else None
    )
    oracle.compare(result.quality, expected, "quality")


@pytest.mark.parametrize("centre", [0.0, 1e6, -1e-9])
def test_the_quality_of_a_regression(centre: float) -> None:
    rng = np.random.default_rng(9)
    scale = 1e-9 if centre == -1e-9 else 1.0
    actual = centre + rng.normal(0, scale, 700)
    predicted = actual + rng.normal(0.1, 0.5, 700) * scale
    delay = rng.lognormal(12, 1, 700)

    def add(counts: Counts, rows: np.ndarray) -> None:
        counts.quality = counts.quality or RegressionCounter()
        assert isinstance(counts.quality, RegressionCounter)
        counts.quality.update(actual[rows], predicted[rows], delay[rows])

    result = window(9, Raw({}, predicted.tolist(), {}), "regression", None, add=add)
    oracle.compare(result.quality, oracle.regression(actual, predicted, delay, 700), "quality")


def test_the_oracle_sees_a_wrong_number() -> None:
    rng = np.random.default_rng(10)
    raw = draw(rng, 50, "binary", float)
    result = window(10, raw, "binary", None)
    assert result.features is not None
    wrong = dataclasses.replace(result.features["normal"], mean=0.5)
    with pytest.raises(AssertionError, match="normal.mean: 0.5 is not"):
        oracle.compare(wrong, oracle.numeric("normal", raw.features["normal"]), "normal")
    assert scipy.stats.kstwo.sf(0.1, 50) != oracle.tail_of(0.1, 60, 60)
