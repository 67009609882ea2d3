"""A sum of squares without any rounding."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.exact_sum import UNIT_BITS, ExactSum, ratio, units_of

Floats = NDArray[np.float64]

SQUARE_BITS = 2 * UNIT_BITS
_SPLIT = 2.0**27 + 1


class ExactSquares:
    """The exact sum of squares of doubles, as a whole number of units of 2**-2148.

    Guarantee: as `ExactSum`: no rounding, no overflow, and what is taken back leaves nothing.
    So `n sum(y²) - sum(y)²` has no cancellation. Cost: 15 ns a value; 20 to 40 bytes.

    >>> squares = ExactSquares()
    >>> squares.update(np.array([3.0, 4.0, 3.0, 4.0]))
    >>> squares.root_mean(4)
    3.5355339059327378

    Source: T. Dekker, "A floating-point technique for extending the available precision", 1971
    (the exact product of two doubles as a sum of two).
    """

    __slots__ = ("units",)

    def __init__(self, units: int = 0) -> None:
        """A sum that starts at this many units."""
        self.units = units

    def update(self, values: Floats, sign: int = 1) -> None:
        """Add the squares of finite doubles (`sign` -1: take them back)."""
        sizes = np.abs(values)
        if len(values) < 32 or sizes.max() > 1e150 or sizes[sizes > 0].min(initial=1.0) < 1e-130:
            self.units += sign * sum(units_of(value) ** 2 for value in values.tolist())
            return
        product = values * values
        scaled = values * _SPLIT
        high = scaled - (scaled - values)
        low = values - high
        error = low * low - ((product - high * high) - 2 * high * low)
        total = ExactSum()
        total.update(product)
        total.update(error)
        self.units += sign * (total.units << UNIT_BITS)

    def merge(self, other: ExactSquares) -> None:
        """Add another sum."""
        self.units += other.units

    def root_mean(self, count: int) -> float | None:
        """The square root of sum / count; None for no values."""
        if not count:
            return None
        return ratio(math.isqrt(self.units // count), 1 << UNIT_BITS)

    def snapshot(self) -> list[int | bytes]:
        """Plain values; see `ExactSum.snapshot`."""
        return ExactSum(self.units).snapshot()

    @classmethod
    def restore(cls, plain: list[int | bytes]) -> Self:
        """The sum that `snapshot` wrote."""
        return cls(ExactSum.restore(plain).units)
