"""Every number of a numeric block against numpy and scipy on the raw rows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from numpy.typing import NDArray

from inferwatch.events.reference import NumericReference
from inferwatch.events.window import NumericBlock
from pipeline.columns import Column
from pipeline.reference.builder import profile_of
from pipeline.stats import ColumnCounter

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

DRAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "uniform": lambda rng, n: rng.uniform(-1, 3, n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "zipf": lambda rng, n: np.minimum(rng.zipf(1.5, n), 10**9).astype(float),
    "constant": lambda rng, n: np.full(n, 7.25),
    "ties": lambda rng, n: rng.integers(0, 12, n).astype(float),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.72, 0.0, rng.exponential(size=n)),
    "large": lambda rng, n: 1e12 + rng.normal(0, 0.1, n),
    "tiny": lambda rng, n: rng.normal(0, 1e-9, n),
    "two spikes": lambda rng, n: rng.choice([0.1, 0.7, -0.3], n),
}


def reference_of(values: Floats) -> NumericReference:
    reference = profile_of({"x": Column(len(values), numbers=values)}).features["x"]
    assert isinstance(reference, NumericReference)
    return reference


def block_of(values: NDArray[np.floating], reference: NumericReference | None) -> NumericBlock:
    counter = ColumnCounter("numeric", reference, 1000)
    for part in np.array_split(values, 5):
        counter.update(Column(len(part), numbers=part))
    block = counter.result()
    assert isinstance(block, NumericBlock)
    return block


def rank_gap(sample: Floats, one: float, other: float) -> float:
    """How much of the sample lies between two values."""
    low, high = sorted((one, other))
    inside = np.count_nonzero((sample > low) & (sample < high))
    return inside / len(sample)


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("rows", "reference_rows"), [(1, 50), (37, 300), (3000, 10_000)])
def test_against_the_raw_rows(name: str, shifted: bool, rows: int, reference_rows: int) -> None:
    rng = np.random.default_rng(len(name) * 1000 + rows)
    sample = DRAWS[name](rng, reference_rows)
    window = DRAWS[name](rng, rows)
    if shifted:
        window = window + (np.std(sample) or 1.0) * 0.7
    reference = reference_of(sample)
    block = block_of(window, reference)

    assert block.count == rows and block.missing == 0
    assert block.mean == pytest.approx(np.mean(window), rel=1e-12)
    assert block.min == window.min() and block.max == window.max()
    mean, std = math.fsum(window) / rows, float(np.std(window.astype(np.longdouble)))
    assert block.std == pytest.approx(std, rel=1e-7, abs=abs(mean) * 1e-16)
    exact = scipy.stats.ks_2samp(window, sample, method="asymp")
    tolerance = max(1 / 256, 1 / reference_rows)
    assert block.ks is not None and block.ks_pvalue is not None
    assert exact.statistic - tolerance <= block.ks <= exact.statistic + 1e-12
    effective = round(rows * reference_rows / (rows + reference_rows))
    assert block.ks_pvalue == pytest.approx(scipy.stats.kstwo.sf(block.ks, effective), rel=1e-9)

    edges = [-np.inf, *reference.psi_edges, np.inf]
    p, q = (
        np.array(
            [np.count_nonzero((x > a) & (x <= b)) for a, b in zip(edges, edges[1:], strict=False)]
        )
        / len(x)
        for x in (sample, window)
    )
    np.testing.assert_allclose(p, reference.psi_shares, rtol=1e-12)
    floored_p, floored_q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    textbook = float(((floored_q - floored_p) * np.log(floored_q / floored_p)).sum())
    assert block.psi == pytest.approx(textbook, abs=1e-9)
    distance = scipy.spatial.distance.jensenshannon(p, q, base=2)
    assert block.js == pytest.approx(np.nan_to_num(distance), abs=1e-7)

    for reported, per_mille in ((block.p05, 50), (block.p50, 500), (block.p95, 950)):
        true = float(np.percentile(window, per_mille / 10, method="inverted_cdf"))
        assert reported is not None
        if sample.min() <= true <= sample.max():
            assert rank_gap(sample, reported, true) <= tolerance
        else:
            assert reported == pytest.approx(true, rel=0.01)
    assert block.out_of_range == np.count_nonzero((window < sample.min()) | (window > sample.max()))


@pytest.mark.parametrize("name", ["normal", "uniform", "ties", "mostly zero", "large", "tiny"])
@pytest.mark.parametrize("shift", [0.0, 0.05, 0.5, 3.0, 40.0])
def test_wasserstein_of_light_tails(name: str, shift: float) -> None:
    rng = np.random.default_rng(5)
    sample, window = DRAWS[name](rng, 20_000), DRAWS[name](rng, 2_000)
    std = float(np.std(sample))
    window = window + shift * std
    exact = scipy.stats.wasserstein_distance(window, sample) / std
    block = block_of(window, reference_of(sample))
    assert block.wasserstein == pytest.approx(exact, rel=0.05, abs=0.02)


def test_wasserstein_of_a_narrower_and_a_wider_window() -> None:
    rng = np.random.default_rng(6)
    sample = rng.normal(size=20_000)
    reference = reference_of(sample)
    for scale in (0.0, 0.1, 2.0, 10.0):
        window = rng.normal(size=2_000) * scale
        exact = scipy.stats.wasserstein_distance(window, sample) / np.std(sample)
        assert block_of(window, reference).wasserstein == pytest.approx(exact, rel=0.05, abs=0.02)


# A float32 has no digits left at 1e12 ± 0.1.
@pytest.mark.parametrize("name", sorted(DRAWS.keys() - {"large"}))
def test_a_float32_stream_agrees_with_a_float64_reference(name: str) -> None:
    rng = np.random.default_rng(8)
    sample = DRAWS[name](rng, 5_000)
    window = sample[:2_000]
    wide, narrow = (block_of(w, reference_of(sample)) for w in (window, window.astype(np.float32)))
    assert narrow.ks == pytest.approx(wide.ks, abs=1e-3)
    assert narrow.psi == pytest.approx(wide.psi, abs=2e-3)
    assert narrow.out_of_range == wide.out_of_range


def test_values_that_move_off_a_spike_are_seen() -> None:
    rng = np.random.default_rng(9)
    sample = DRAWS["mostly zero"](rng, 10_000)
    window = np.where(sample == 0, 1e-5, sample)
    exact = scipy.stats.ks_2samp(window, sample).statistic
    assert exact > 0.7
    assert block_of(window, reference_of(sample)).ks == pytest.approx(exact, abs=1 / 256)


def test_without_a_reference_distances_are_null_and_percentiles_relative() -> None:
    rng = np.random.default_rng(10)
    values = np.concatenate([rng.lognormal(0, 3, 500), -rng.lognormal(0, 3, 400), np.zeros(100)])
    rng.shuffle(values)
    block = block_of(values, None)
    assert (block.ks, block.psi, block.js, block.wasserstein, block.drift) == (None,) * 5
    assert block.out_of_range is None
    for reported, percent in ((block.p05, 5), (block.p50, 50), (block.p95, 95)):
        true = float(np.percentile(values, percent, method="inverted_cdf"))
        assert reported == pytest.approx(true, rel=0.01, abs=0)


def test_ends_of_the_doubles() -> None:
    block = block_of(np.array([1.5e308] * 30), None)
    assert (block.mean, block.std, block.max) == (1.5e308, 0.0, 1.5e308)
    block = block_of(np.array([1.5e308, -1.5e308] * 20), None)
    assert block.mean == 0.0 and block.std == pytest.approx(1.5e308, rel=1e-12)
    block = block_of(np.array([5e-324, -5e-324, 0.0, -0.0]), None)
    assert block.count == 4 and block.mean == 0.0
    assert math.copysign(1, block_of(np.array([-0.0]), None).min or 0.0) == 1
    values = np.array([1e-200, 3e-200])
    assert block_of(values, None).std == pytest.approx(1e-200, rel=1e-12)


def test_large_numbers_have_a_spread() -> None:
    assert block_of(np.array([1e12 + 1, 1e12 - 1] * 50), None).std == 1.0
    assert block_of(np.full(100, 1.760000000123e12), None).std == 0.0
    far = np.concatenate([[1e12], np.linspace(1, 2, 1000)])
    block = block_of(far, None)
    assert block.std == pytest.approx(float(np.std(far.astype(np.longdouble))), rel=1e-12)


def test_all_missing_and_not_finite() -> None:
    reference = reference_of(np.arange(100.0))
    counter = ColumnCounter(None, reference, 1000)
    counter.update(Column(3))
    block = counter.result()
    assert isinstance(block, NumericBlock)
    assert (block.count, block.missing, block.mean, block.std, block.min) == (
        0,
        3,
        None,
        None,
        None,
    )
    assert (block.ks, block.psi, block.js, block.wasserstein, block.p50) == (None,) * 5
    counter.update(Column(4, numbers=np.array([np.nan, np.inf, -np.inf, 5.0])))
    block = counter.result()
    assert isinstance(block, NumericBlock)
    assert (block.count, block.missing, block.non_finite, block.mean) == (1, 3, 3, 5.0)


def test_no_rows_at_all() -> None:
    assert ColumnCounter(None, None, 1000).result() is None
    block = ColumnCounter("numeric", reference_of(np.arange(9.0)), 1000).result(rows=5)
    assert isinstance(block, NumericBlock) and (block.count, block.missing) == (0, 5)


def test_a_window_wholly_out_of_range_has_the_largest_distance() -> None:
    reference = reference_of(np.random.default_rng(11).normal(size=5_000))
    for far in (-99.0, 99.0):
        block = block_of(np.full(20, far), reference)
        assert (block.ks, block.out_of_range) == (1.0, 20)
        assert block.p50 == far
