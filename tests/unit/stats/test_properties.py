"""Order, splitting, merging and storing change nothing: counts bit for bit, floats too."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import msgpack
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from inferwatch.errors import MergeError, StateFormatError
from inferwatch.events.reference import ColumnReference
from inferwatch.events.window import NumericBlock
from pipeline.columns import Column
from pipeline.decode.column_values import column_of
from pipeline.reference.builder import profile_of
from pipeline.stats import ColumnCounter
from pipeline.stats.exact_squares import ExactSquares
from pipeline.stats.exact_sum import ExactSum
from pipeline.stats.moments import Moments

RNG = np.random.default_rng(0)
REFERENCES: list[ColumnReference | None] = [
    None,
    profile_of({"x": Column(900, numbers=RNG.normal(size=900))}).features["x"],
    profile_of({"x": Column(40, numbers=RNG.integers(0, 5, 40).astype(float))}).features["x"],
    profile_of({"x": column_of(["a", "b", "1"] * 9)}).features["x"],
]
doubles = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, -0.0, 3.0])
values = st.lists(
    st.none() | doubles | st.sampled_from(["a", "b", "c", "1"]) | st.just([1]), max_size=40
)


def counted(rows: list[object], reference: ColumnReference | None) -> ColumnCounter:
    counter = ColumnCounter(None, reference, 2)
    counter.update(column_of(rows))
    return counter


@settings(max_examples=60, deadline=None)
@given(rows=values, cuts=st.lists(st.integers(0, 40), max_size=4), data=st.data())
@pytest.mark.parametrize("place", range(len(REFERENCES)))
def test_any_split_and_order_gives_the_same_result(
    place: int, rows: list[object], cuts: list[int], data: st.DataObject
) -> None:
    reference = REFERENCES[place]
    whole = counted(rows, reference)
    shuffled = data.draw(st.permutations(rows))
    bounds = sorted([0, *(min(cut, len(rows)) for cut in cuts), len(rows)])
    parts = [counted(shuffled[a:b], reference) for a, b in zip(bounds, bounds[1:], strict=False)]
    merged = ColumnCounter(None, reference, 2)
    for part in data.draw(st.permutations(parts)):
        merged.merge(
            ColumnCounter.restore(msgpack.unpackb(msgpack.packb(part.snapshot())), reference)
        )
    one, other = whole.result(as_output=True), merged.result(as_output=True)
    if isinstance(one, NumericBlock):
        assert isinstance(other, NumericBlock)
        # The spread is the one thing that is rounded on the way.
        assert (one.std is None) == (other.std is None)
        if one.std is not None:
            assert one.std == pytest.approx(other.std, rel=1e-9, abs=0)
        other = dataclasses.replace(other, std=one.std)
    assert one == other


@settings(max_examples=60, deadline=None)
@given(rows=values, more=values)
@pytest.mark.parametrize("place", range(len(REFERENCES)))
def test_storing_and_going_on_equals_never_having_stopped(
    place: int, rows: list[object], more: list[object]
) -> None:
    reference = REFERENCES[place]
    straight = counted(rows, reference)
    straight.snapshot()
    stored = ColumnCounter.restore(counted(rows, reference).snapshot(), reference)
    for counter in (straight, stored):
        counter.update(column_of(more))
    assert straight.snapshot() == stored.snapshot()
    assert straight.result() == stored.result()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=80))
def test_exact_sums(numbers: list[float]) -> None:
    array = np.array(numbers, np.float64)
    total = ExactSum()
    total.update(array)
    try:
        expected = math.fsum(numbers)
    except OverflowError:
        expected = None  # type: ignore[assignment]
    if expected is not None:
        assert total.value() == expected
    squares = ExactSquares()
    squares.update(array)
    assert squares.units == sum(
        int(x * 2**537 * 2**537) ** 2 if x == 0 else _square(x) for x in numbers
    )
    total.update(array, sign=-1)
    assert total.units == 0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-1e270, 1e270) | st.floats(-1e-300, 1e-300) | st.just(0.0), max_size=60),
    st.integers(1, 40),
)
def test_sums_of_sorted_numbers_are_exact_too(numbers: list[float], times: int) -> None:
    ordered = np.sort(np.repeat(numbers, times))
    sums = ExactSum(), ExactSum()
    sums[0].update_sorted(ordered)
    sums[1].update(ordered[::-1].copy())
    exact = sum(map(Fraction, numbers), Fraction(0)) * times * 2**1074
    assert sums[0].units == sums[1].units == exact


@pytest.mark.parametrize("octaves", [30, 60, 600])
def test_sums_of_numbers_far_smaller_than_the_largest(octaves: int) -> None:
    # Two rounds of splitting leave bits of these behind; of 60 values hardly ever.
    rng = np.random.default_rng(octaves)
    for size in (100, 5_000):
        numbers = rng.normal(size=size) * 2.0 ** rng.uniform(-octaves, octaves, size)
        total = ExactSum()
        total.update_sorted(np.sort(numbers))
        assert total.units == sum(map(Fraction, numbers), Fraction(0)) * 2**1074


def _square(x: float) -> int:
    numerator, denominator = x.as_integer_ratio()
    return ((numerator << 1074) // denominator) ** 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=60), st.integers(1, 59))
def test_moments_of_two_parts(numbers: list[float], cut: int) -> None:
    parts = [Moments(), Moments()]
    parts[0].update_sorted(np.sort(np.array(numbers[:cut])))
    parts[1].update_sorted(np.sort(np.array(numbers[cut:])))
    parts[0].merge(parts[1])
    # Fractions, for no width of floats can add 1e300, 1 and -1e300.
    exact = [Fraction(number) for number in numbers]
    mean = sum(exact) / len(exact)
    assert parts[0].mean() == float(mean)
    variance = sum((number - mean) ** 2 for number in exact) / len(exact)
    std = Fraction(math.isqrt(int(variance * 2**2400)), 2**1200)
    assert parts[0].std == pytest.approx(float(std), rel=1e-9, abs=1e-300)


def test_numbers_of_two_references_do_not_add_up() -> None:
    one, other = (counted([1.0, 2.0], reference) for reference in REFERENCES[1:3])
    with pytest.raises(MergeError, match="900 rows.* 40 rows"):
        one.merge(other)
    with pytest.raises(MergeError, match="undecided"):
        counted(["a"], None).merge(counted([1.0], REFERENCES[1]))
    with pytest.raises(StateFormatError):
        ColumnCounter.restore(one.snapshot(), REFERENCES[3])


def test_equal_references_read_twice_add_up() -> None:
    again = profile_of({"x": Column(4, numbers=np.arange(4.0))}).features["x"]
    same = profile_of({"x": Column(4, numbers=np.arange(4.0))}).features["x"]
    one = counted([1.0], again)
    one.merge(counted([2.0], same))
    block = one.result()
    assert block is not None and block.count == 2


@pytest.mark.parametrize(
    ("rows", "with_reference", "most"),
    [
        (1_000, True, 4_500),
        (100_000, True, 8_000),
        # Log buckets that cross zero are many: without a reference a pane is larger.
        (1_000, False, 9_000),
        (100_000, False, 30_000),
    ],
)
def test_a_pane_of_twenty_features_is_small(rows: int, with_reference: bool, most: int) -> None:
    rng = np.random.default_rng(rows)
    draws = {f"n{i}": rng.normal(i, 1 + i, 20_000) for i in range(16)}
    columns = {name: Column(20_000, numbers=draw) for name, draw in draws.items()}
    columns |= {
        f"c{i}": column_of([f"v{k}" for k in rng.integers(0, 12, 20_000)]) for i in range(4)
    }
    features = profile_of(columns).features if with_reference else {}
    pane = {}
    for i, name in enumerate(columns):
        counter = ColumnCounter(None, features.get(name), 1000)
        counter.update(
            Column(rows, numbers=rng.normal(i, 1 + i, rows))
            if name.startswith("n")
            else column_of([f"v{k}" for k in rng.integers(0, 12, rows)])
        )
        pane[name] = counter.snapshot()
    assert len(zstandard.compress(msgpack.packb(pane))) <= most
