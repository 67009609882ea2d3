"""A sum of doubles without any rounding."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import NDArray

UNIT_BITS = 1074
"""One unit is 2**-1074, the smallest positive double: every double is a whole number of units."""

_SLOW_ABOVE = 2.0**900
_FEW = 32


def units_of(value: float) -> int:
    """A finite double as a whole number of units.

    >>> units_of(0.5) == 2**1073
    True
    """
    mantissa, exponent = math.frexp(value)
    whole = int(mantissa * 2.0**53)
    shift = exponent - 53 + UNIT_BITS
    return whole << shift if shift >= 0 else whole >> -shift


def ratio(numerator: int, denominator: int) -> float | None:
    """The nearest double of a fraction; None beyond the doubles.

    >>> ratio(1, 3)
    0.3333333333333333
    """
    try:
        return numerator / denominator
    except OverflowError:
        return None


class _Rounds:
    """Takes the upper bits of doubles, round by round.

    What is left of each value after adding a large number and taking it off again are its upper
    bits: they add up without rounding. The next round takes the bits below.

    Attributes:
        rest: what is left of the values.
        taken: all bits of this size and above were taken.
    """

    __slots__ = ("_narrowing", "_splitter", "_upper", "rest", "taken")

    def __init__(self, values: NDArray[np.float64], largest: float) -> None:
        """Begin with these values, of which none is larger, up or down."""
        bits = (len(values) + 2).bit_length()
        self._splitter = 2.0 ** (math.frexp(largest)[1] + bits)
        self._narrowing = 2.0 ** (bits - 53)
        self._upper = np.empty_like(values)
        self.rest = values
        self.taken = math.inf

    def take(self) -> int:
        """Sum up the next upper bits, in units, and leave the rest."""
        np.add(self.rest, self._splitter, out=self._upper)
        np.subtract(self._upper, self._splitter, out=self._upper)
        first = math.isinf(self.taken)
        self.rest = np.subtract(self.rest, self._upper, out=None if first else self.rest)
        self.taken = self._splitter * 2.0**-52
        self._splitter *= self._narrowing
        return units_of(float(np.add.reduce(self._upper)))


class ExactSum:
    """The exact sum of doubles, as a whole number of units of 2**-1074.

    Guarantee: no rounding at all, so order, splitting and merging change no bit, a value that is
    taken back leaves nothing behind, and no sum overflows. Cost: about 2 ns a value in batches
    of 8,192 (two rounds of splitting each value at a bit that makes the addition of the upper
    parts exact); 10 to 30 bytes in a snapshot.

    >>> total = ExactSum()
    >>> total.update(np.array([1e16, 1.0, -1e16]))
    >>> total.value()
    1.0

    Source: S. M. Rump, T. Ogita, S. Oishi, "Accurate floating-point summation I", 2008 (the
    splitting `ExtractVector`).
    """

    __slots__ = ("units",)

    def __init__(self, units: int = 0) -> None:
        """A sum that starts at this many units."""
        self.units = units

    def update(self, values: NDArray[np.float64], sign: int = 1) -> None:
        """Add finite doubles (`sign` -1: take them back)."""
        if len(values):
            largest = max(float(values.max()), -float(values.min()))
            if len(values) < _FEW or largest > _SLOW_ABOVE:
                self.units += sign * sum(map(units_of, values.tolist()))
                return
            rounds = _Rounds(values, largest)
            self.units += sign * rounds.take()
            while rounds.rest.any():
                self.units += sign * rounds.take()

    def update_sorted(self, ordered: NDArray[np.float64]) -> None:
        """Add finite doubles in rising order: 1.1 ns a value, for 1.7 in any order.

        After two rounds only values near zero can have bits left, and those lie side by side.
        """
        largest = max(float(ordered[-1]), -float(ordered[0])) if len(ordered) else 0.0
        if len(ordered) < _FEW or largest > _SLOW_ABOVE:
            self.update(ordered)
            return
        rounds = _Rounds(ordered, largest)
        self.units += rounds.take() + rounds.take()
        near_zero = rounds.taken * 2.0**52
        start, stop = ordered.searchsorted([-near_zero, near_zero]).tolist()
        self.update(rounds.rest[start:stop])

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        self.units += other.units

    def value(self) -> float | None:
        """The nearest double; None when it is beyond the doubles."""
        return self.mean(1)

    def mean(self, count: int) -> float | None:
        """The nearest double of sum / count; None for no values.

        >>> ExactSum(units_of(1.5e308) * 30).mean(30)
        1.5e+308
        """
        return ratio(self.units, count << UNIT_BITS) if count else None

    def snapshot(self) -> list[int | bytes]:
        """`[trailing zero bits, the rest as a signed little-endian number]`."""
        zeros = (self.units & -self.units).bit_length() - 1 if self.units else 0
        rest = self.units >> zeros
        return [zeros, rest.to_bytes(rest.bit_length() // 8 + 1, "little", signed=True)]

    @classmethod
    def restore(cls, plain: list[int | bytes]) -> Self:
        """The sum that `snapshot` wrote.

        >>> ExactSum.restore(ExactSum(-40).snapshot()).units
        -40
        """
        zeros, rest = plain
        assert isinstance(zeros, int) and isinstance(rest, bytes)
        return cls(int.from_bytes(rest, "little", signed=True) << zeros)
