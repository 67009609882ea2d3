from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from inferwatch.events.reference import CategoricalReference
from inferwatch.events.window import CategoricalBlock, NumericBlock
from pipeline.columns import Column
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.stats import OTHER, ColumnCounter


def texts(values: list[str | None]) -> Column:
    names = sorted({v for v in values if v is not None})
    codes = [-1 if v is None else names.index(v) for v in values]
    return Column(len(values), codes=np.array(codes, np.int32), texts=tuple(names))


def reference_of(values: list[str | None]) -> CategoricalReference:
    reference = profile_of({"x": texts(values)}).features["x"]
    assert isinstance(reference, CategoricalReference)
    return reference


def block_of(counter: ColumnCounter) -> CategoricalBlock:
    block = counter.result(as_output=True)
    assert isinstance(block, CategoricalBlock)
    return block


@pytest.mark.parametrize("categories", [2, 12, 1000])
def test_against_the_raw_rows(categories: int) -> None:
    rng = np.random.default_rng(categories)
    shares = rng.dirichlet(np.full(categories, 0.5))
    sample = [f"c{i}" for i in rng.choice(categories, 5_000, p=shares)]
    window = [f"c{i}" for i in rng.choice(categories + 3, 800)]
    reference = reference_of(list(sample))
    counter = ColumnCounter(None, reference, 5_000)
    counter.update(texts([*window[:300], None]))
    counter.update(texts(list(window[300:])))
    block = block_of(counter)

    known = sorted(set(sample))
    p = np.array([*(sample.count(c) for c in known), 0])
    q = np.array([*(window.count(c) for c in known), 0])
    q[-1] = len(window) - q.sum()
    assert (block.count, block.missing, block.unseen) == (800, 1, q[-1])
    fp, fq = np.maximum(p / p.sum(), 1e-4), np.maximum(q / q.sum(), 1e-4)
    assert block.psi == pytest.approx(float(((fq - fp) * np.log(fq / fp)).sum()), abs=1e-9)
    distance = scipy.spatial.distance.jensenshannon(p, q, base=2)
    assert block.js == pytest.approx(distance, abs=1e-9)
    table = np.stack([p, q])
    exact = scipy.stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False)
    assert block.chi2 == pytest.approx(exact.statistic, rel=1e-9)
    assert block.chi2_pvalue == pytest.approx(exact.pvalue, rel=1e-9, abs=1e-300)
    ranked = sorted(set(window), key=lambda c: (-window.count(c), c))[:10]
    assert [name for name, _ in block.top] == ranked
    assert block.top[0][1] == window.count(ranked[0]) / 800
    _, counts = np.unique(window, return_counts=True)
    assert block.entropy == pytest.approx(scipy.stats.entropy(counts, base=2), rel=1e-12)


def test_numbers_become_their_shortest_text() -> None:
    counter = ColumnCounter("categorical", None, 1000)
    counter.update(Column(2, numbers=np.array([123.0, 0.1])))
    counter.update(Column(2, numbers=np.array([123, 0.1], np.float32)))
    counter.update(texts(["123", "true"]))
    assert dict(block_of(counter).top) == {"123": 0.5, "0.1": 1 / 3, "true": 1 / 6}


def test_numbers_that_are_not_finite_are_no_category() -> None:
    counter = ColumnCounter("categorical", None, 1000)
    counter.update(Column(3, numbers=np.array([np.nan, np.inf, 1.0])))
    block = block_of(counter)
    assert (block.count, block.non_finite, block.missing) == (1, 2, 0)
    assert block_of(ColumnCounter.restore(counter.snapshot(), None)) == block


def test_a_column_that_nobody_named_is_what_it_holds() -> None:
    counter = ColumnCounter(None, None, 1000)
    counter.update(texts(["a", "b"]))
    assert isinstance(counter.result(), CategoricalBlock)
    counter.update(
        Column(
            3,
            numbers=np.array([4.0, 0.0, 0.0]),
            is_number=np.array([True, False, False]),
            odd=np.array([False, True, False]),
        )
    )
    block = counter.result()
    assert isinstance(block, NumericBlock)
    assert (block.count, block.type_mismatch, block.missing, block.mean) == (1, 3, 1, 4.0)


def test_all_missing_without_a_reference_is_categorical() -> None:
    counter = ColumnCounter(None, None, 1000)
    counter.update(Column(2))
    block = block_of(counter)
    assert (block.count, block.missing, block.top, block.entropy) == (0, 2, (), None)


def test_a_reference_without_a_value_says_nothing() -> None:
    profile = profile_of({"x": Column(5), "y": Column(5, numbers=np.full(5, np.nan))})
    for name in "xy":
        counter = ColumnCounter(None, profile.features[name], 1000)
        counter.update(Column(2, numbers=np.array([1.0, 2.0])))
        block = counter.result()
        assert isinstance(block, NumericBlock) and block.psi is None and block.drift is None


def test_too_many_categories_keep_the_named_and_the_lowest_hashes() -> None:
    names: list[str | None] = [f"t{i:03}" for i in range(100)]
    whole = ColumnCounter("categorical", None, 10, frozenset({"t050"}))
    whole.update(texts(names))
    block = block_of(whole)
    assert block.count == 100 and block.over_limit == 90
    assert block.top[0] == (OTHER, 0.9)
    # Any order, any split, any order of merging keeps the same ones.
    rng = np.random.default_rng(1)
    for _ in range(5):
        parts = []
        for rows in np.array_split(rng.permutation(100), 7):
            part = ColumnCounter("categorical", None, 10, frozenset({"t050"}))
            part.update(texts([names[i] for i in rows]))
            parts.append(ColumnCounter.restore(part.snapshot(), None))
        merged = parts.pop()
        for part in parts:
            merged.merge(part)
        assert block_of(merged) == block
        assert merged.snapshot() == whole.snapshot()
    assert "t050" in whole.snapshot()[-1][0]


def test_the_references_categories_stay_whatever_the_limit() -> None:
    reference = reference_of([f"r{i}" for i in range(50)])
    counter = ColumnCounter("categorical", reference, 10)
    counter.update(texts([f"r{i}" for i in range(50)] + ["new"]))
    block = block_of(counter)
    assert (block.over_limit, block.unseen) == (1, 1)
    assert block.psi is not None and block.psi < 0.2


def test_a_reference_with_too_many_categories_pools_the_rest() -> None:
    names: list[str | None] = [f"r{i}" for i in range(50)]
    spec = BuildSpec(max_categories=10)
    reference = profile_of({"x": texts(names)}, spec).features["x"]
    assert isinstance(reference, CategoricalReference) and len(reference.shares) == 11
    counter = ColumnCounter(None, reference, 10)
    counter.update(texts(names))
    block = block_of(counter)
    assert block.psi == 0.0 and block.unseen is None


@pytest.mark.parametrize(
    ("window", "collapsed"),
    [
        (["yes"] * 100, True),
        (["no"] * 100, True),
        (["no"] * 70 + ["yes"] * 30, False),
        (["no"] * 80 + ["yes"] * 20, False),
        (["no"] * 5, False),
        (["new"] * 100, True),
    ],
)
def test_collapse(window: list[str | None], collapsed: bool) -> None:
    counter = ColumnCounter(None, reference_of(["no"] * 700 + ["yes"] * 300), 1000)
    counter.update(texts(window))
    assert block_of(counter).collapsed is collapsed


def test_collapse_of_a_number_onto_one_value() -> None:
    rng = np.random.default_rng(2)
    sample = rng.normal(100, 15, 5_000)
    reference = profile_of({"x": Column(5_000, numbers=sample)}).features["x"]
    for window, expected in (
        (np.full(500, 104.2), True),
        (np.full(500, 9e6), True),
        (rng.normal(100, 15, 500), False),
        (rng.normal(300, 15, 500), False),
    ):
        counter = ColumnCounter("numeric", reference, 1000)
        counter.update(Column(500, numbers=window))
        block = counter.result(as_output=True)
        assert isinstance(block, NumericBlock) and block.collapsed is expected
