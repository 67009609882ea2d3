"""The canonical text of numbers."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from inferwatch.events.canonical import number_text


@settings(deadline=None, derandomize=True)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_it_reads_back_as_the_same_number(number: float) -> None:
    assert float(number_text(number)) == number
    assert len(number_text(number)) <= len(repr(number))


@settings(deadline=None, derandomize=True)
@given(st.integers())
def test_a_whole_number_and_its_double_are_one(number: int) -> None:
    assert number_text(number) == number_text(float(number))
    if abs(number) <= 2**53:
        assert number_text(number) == str(number)


def test_the_three_without_digits() -> None:
    assert [number_text(x) for x in (math.nan, math.inf, -math.inf)] == [
        "NaN",
        "Infinity",
        "-Infinity",
    ]
