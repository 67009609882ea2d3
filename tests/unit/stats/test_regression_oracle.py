from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as skm

from pipeline.stats import RegressionCounter


@pytest.mark.parametrize("centre", [0.0, 10.0, 1e12, -1e-9])
@pytest.mark.parametrize("size", [2, 5, 1_000])
def test_against_scikit_learn(centre: float, size: int) -> None:
    rng = np.random.default_rng(size)
    scale = abs(centre) * 1e-12 if centre in (1e12, -1e-9) else 1.0
    scale = max(scale, 1.0) if centre == 1e12 else scale
    actual = centre + rng.normal(0, scale, size)
    predicted = actual + rng.normal(0.1, 0.5, size) * scale
    counter = RegressionCounter()
    counter.update(actual, predicted, np.full(size, 7.0))
    block = counter.result(size)
    assert block is not None
    wide_actual, wide_predicted = actual.astype(np.longdouble), predicted.astype(np.longdouble)
    error = wide_predicted - wide_actual
    assert block.mae == pytest.approx(float(np.abs(error).mean()), rel=1e-12)
    assert block.rmse == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-12)
    assert block.bias == pytest.approx(float(error.mean()), rel=1e-9)
    assert block.mape == pytest.approx(
        skm.mean_absolute_percentage_error(actual, predicted), rel=1e-12
    )
    around = ((wide_actual - wide_actual.mean()) ** 2).sum()
    assert block.r2 == pytest.approx(float(1 - (error**2).sum() / around), rel=1e-6, abs=1e-9)
    assert block.label_delay_p50_ms == pytest.approx(7.0, rel=0.01)


def test_the_limits() -> None:
    one = RegressionCounter()
    one.update(np.array([10.0]), np.array([12.0]), np.array([1.0]))
    block = one.result(1)
    assert block is not None
    assert (block.mae, block.rmse, block.bias, block.mape, block.r2) == (2.0, 2.0, 2.0, 0.2, None)
    zeros = RegressionCounter()
    zeros.update(np.zeros(4), np.array([0.5, -0.5, 1.0, 0.0]), np.ones(4))
    block = zeros.result(4)
    assert block is not None and block.mape is None and block.r2 is None and block.bias == 0.25
    huge = RegressionCounter()
    huge.update(np.array([1e308, -1e308]), np.array([-1e308, 1e308]), np.ones(2))
    block = huge.result(2)
    assert block is not None and block.bias == 0.0 and block.rmse is not None
    assert RegressionCounter().result(5) is None


def test_a_correction_leaves_what_there_would_have_been() -> None:
    rng = np.random.default_rng(3)
    actual, predicted, delay = rng.normal(size=(3, 200)) * 1e3
    straight = RegressionCounter()
    straight.update(actual, predicted, delay)
    corrected = RegressionCounter()
    wrong = actual + 5
    corrected.update(wrong, predicted, delay)
    corrected.update(wrong, predicted, delay, sign=-1)
    corrected.update(actual, predicted, delay)
    assert corrected.snapshot() == straight.snapshot()
    assert corrected.result(200) == straight.result(200)


def test_pairs_that_are_not_finite_are_not_labelled() -> None:
    counter = RegressionCounter()
    counter.update(np.array([1.0, np.nan]), np.array([np.inf, 1.0]), np.ones(2))
    assert counter.labelled == 0 and counter.result(2) is None
