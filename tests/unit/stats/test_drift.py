"""The built-in verdict at one window: silent on chance, loud on what matters."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats

from inferwatch.events.reference import ColumnReference, NumericReference
from pipeline.columns import Column
from pipeline.decode.column_values import column_of
from pipeline.reference.builder import profile_of
from pipeline.stats import ColumnCounter


def reference_of(column: Column) -> ColumnReference:
    return profile_of({"x": column}).features["x"]


def drifted(reference: ColumnReference, column: Column) -> bool:
    counter = ColumnCounter(None, reference, 1000)
    counter.update(column)
    block = counter.result()
    assert block is not None and block.drift is not None
    return block.drift


def numbers(values: np.ndarray) -> Column:
    return Column(len(values), numbers=values)


@pytest.mark.parametrize("reference_rows", [100, 1_000, 20_000])
@pytest.mark.parametrize("rows", [1, 10, 200, 2_000])
def test_no_drift_by_chance(rows: int, reference_rows: int) -> None:
    rng = np.random.default_rng(rows + reference_rows)
    draws = {
        "normal": lambda n: numbers(rng.normal(size=n)),
        "zeros": lambda n: numbers(np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n))),
        "cauchy": lambda n: numbers(rng.standard_cauchy(n)),
        "category": lambda n: column_of([f"c{min(c, 50)}" for c in rng.zipf(1.7, n)]),
        "rare": lambda n: column_of(["a" if r < 0.995 else None for r in rng.random(n)]),
    }
    for name, draw in draws.items():
        found = sum(drifted(reference_of(draw(reference_rows)), draw(rows)) for _ in range(5))
        assert found == 0, name


def test_shifts_that_matter_are_found() -> None:
    rng = np.random.default_rng(1)
    reference = reference_of(numbers(rng.normal(size=20_000)))
    assert drifted(reference, numbers(rng.normal(0.3, 1, 1_000)))
    assert drifted(reference, numbers(rng.normal(0, 2, 1_000)))
    assert drifted(reference, numbers(rng.normal(0, 1, 1_000) * 1_000))
    assert drifted(reference, numbers(np.full(50, 0.01)))
    # Significant in so many rows, but too small to matter to anybody.
    assert not drifted(reference, numbers(rng.normal(0.05, 1, 50_000)))


def test_missing_and_unseen_are_found() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=5_000)
    reference = reference_of(numbers(values))
    some = rng.random(500) >= 0.1
    assert drifted(reference, Column(500, numbers=values[:500], is_number=some))
    assert drifted(reference, Column(200))
    far = np.where(rng.random(500) < 0.05, 80.0, values[:500])
    assert drifted(reference, numbers(far))
    text = reference_of(column_of(["a", "b"] * 2_000))
    assert drifted(text, column_of(["a", "b"] * 450 + ["new"] * 50))
    assert drifted(text, column_of(["a"] * 300))
    assert not drifted(text, column_of(["a", "b"] * 400 + ["new"]))


def test_a_reference_that_wanders_itself_allows_for_it() -> None:
    rng = np.random.default_rng(3)
    reference = reference_of(numbers(rng.normal(size=20_000)))
    assert isinstance(reference, NumericReference)
    window = numbers(rng.normal(0.25, 1, 1_000))
    assert drifted(reference, window)
    wandering = dataclasses.replace(reference, chunk_phi=4.0, chunk_rows=1_000)
    assert not drifted(wandering, window)


def test_scores_have_the_sign_of_the_shift() -> None:
    rng = np.random.default_rng(4)
    reference = reference_of(numbers(rng.normal(size=5_000)))
    for shift, scale in ((1.0, 1.0), (-1.0, 1.0), (0.0, 3.0), (0.0, 0.3)):
        counter = ColumnCounter(None, reference, 10)
        counter.update(numbers(rng.normal(shift, scale, 500)))
        scores = counter.drift_scores()
        assert scores is not None
        if shift:
            assert np.sign(scores.rank) == np.sign(scores.effect) == np.sign(shift)
        else:
            assert np.sign(scores.spread) == np.sign(scale - 1) and abs(scores.spread) > 5


def test_the_deviation_is_what_scipy_makes_of_the_raw_rows() -> None:
    rng = np.random.default_rng(5)
    known, seen = rng.integers(0, 60, 4_000) * 1.0, rng.integers(4, 66, 900) * 1.0
    counter = ColumnCounter(None, reference_of(numbers(known)), 10)
    counter.update(numbers(seen))
    block = counter.result()
    assert block is not None and block.deviation is not None
    test = scipy.stats.mannwhitneyu(seen, known, method="asymptotic", use_continuity=False)
    area = test.statistic / (len(seen) * len(known)) - 0.5
    assert block.deviation.effect == pytest.approx(area, abs=0.005)
    score = scipy.stats.norm.isf(test.pvalue / 2) * np.sign(area)
    assert block.deviation.rank == pytest.approx(score, rel=0.02)


def test_the_deviation_of_one_that_wanders_is_divided_by_how_much() -> None:
    rng = np.random.default_rng(6)
    still = reference_of(numbers(rng.normal(size=5_000)))
    window = numbers(rng.normal(0.3, 1, 800))
    found = []
    for reference in (still, dataclasses.replace(still, chunk_phi=4.0, chunk_rows=800)):
        counter = ColumnCounter(None, reference, 10)
        counter.update(window)
        block = counter.result()
        assert block is not None and block.deviation is not None
        found.append(block.deviation)
    assert found[1].rank == pytest.approx(found[0].rank / 4)
    assert found[1].shape == pytest.approx(found[0].shape / 4)
    assert found[1].effect == found[0].effect
