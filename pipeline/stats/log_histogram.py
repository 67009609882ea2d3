"""A histogram of any numbers with a bounded relative error."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.packing import Ints
from pipeline.stats.sparse_counts import SparseCounts

Floats = NDArray[np.float64]

MANTISSA_BITS = 6
_SHIFT = 52 - MANTISSA_BITS


def order_keys(values: Floats, mantissa_bits: int = MANTISSA_BITS) -> Ints:
    """A whole number for each finite double that rises with it: its sign and upper bits.

    Two doubles with one key differ by less than 2**-mantissa_bits, relative. Zero has key 0,
    which it shares only with numbers below 2**-1022 of its sign.

    >>> order_keys(np.array([-1.0, 0.0, 1.0, 1.01, 1.02])).tolist()
    [-65473, 0, 65472, 65472, 65473]
    """
    shift = 52 - mantissa_bits
    keys = np.abs(values).view(np.int64) >> shift
    negative = values < 0
    return np.where(negative, -keys - 1, keys) if negative.any() else keys


def key_middles(keys: Ints) -> Floats:
    """The middle of what a key of `MANTISSA_BITS` bits stands for; 0 for zero.

    >>> key_middles(np.array([0, 65472])).tolist()
    [0.0, 1.0078125]
    """
    size = np.where(keys < 0, -keys - 1, keys)
    low = (size << _SHIFT).view(np.float64)
    middle = low + (((size + 1) << _SHIFT).view(np.float64) - low) / 2
    middle = np.where(size == 0, 0.0, middle)
    return np.where(keys < 0, -middle, middle)


def runs(ordered: Ints) -> tuple[Ints, Ints]:
    """The distinct keys of a rising array, and how often each occurs.

    >>> [part.tolist() for part in runs(np.array([1, 1, 4]))]
    [[1, 4], [2, 1]]
    """
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, len(ordered))
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    return ordered[ends - 1], counts


class LogHistogram:
    """Counts in log-linear buckets: 64 an octave, on both sides of zero.

    Guarantee: a value taken from it is within 1/128 (0.79 %) of the exact order statistic,
    relative; counts are exact and merge bit for bit; no range is needed beforehand. Cost: 1 ns a
    value of a sorted batch; about 2 bytes a bucket that holds something (1 ms to 1 min: 1 kB).

    >>> histogram = LogHistogram()
    >>> histogram.update_sorted(np.arange(1.0, 101.0))
    >>> round(histogram.at_rank(99), 2)
    99.5
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        """An empty histogram."""
        self._counts = SparseCounts()

    def update_sorted(self, ordered: Floats, sign: int = 1) -> None:
        """Count finite doubles in rising order."""
        if len(ordered):
            keys, counts = runs(order_keys(ordered))
            self._counts.add_distinct(keys, sign * counts)

    def merge(self, other: LogHistogram) -> None:
        """Add the counts of another histogram."""
        self._counts.merge(other._counts)

    def total(self) -> int:
        """How many values it holds."""
        return self._counts.total()

    def at_rank(self, rank: int) -> float:
        """The middle of the bucket that holds the value of this rank, counted from 1."""
        return self._at_ranks([rank])[0]

    def _at_ranks(self, ranks: list[int]) -> list[float]:
        keys, counts = self._counts.arrays()
        middles: list[float] = key_middles(keys[counts.cumsum().searchsorted(ranks)]).tolist()
        return middles

    def percentile(self, per_mille: int) -> float | None:
        """The value of rank ceil(n x per_mille / 1000): numpy's `inverted_cdf`; None if empty."""
        return self.percentiles(per_mille)[0]

    def percentiles(self, *per_mille: int) -> list[float] | list[None]:
        """Several of them, for the cost of one."""
        size = self.total()
        if not size:
            return [None] * len(per_mille)
        return self._at_ranks([percentile_rank(size, part) for part in per_mille])

    def count_above(self, limit: float) -> int:
        """Values in the buckets above that of a limit."""
        keys, counts = self._counts.arrays()
        return int(counts[keys > _key(limit)].sum())

    def count_below(self, limit: float) -> int:
        """Values in the buckets below that of a limit."""
        keys, counts = self._counts.arrays()
        return int(counts[keys < _key(limit)].sum())

    def largest_bucket(self) -> int:
        """The count of the fullest bucket."""
        counts = self._counts.arrays()[1]
        return int(counts.max()) if len(counts) else 0

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return self._counts.nbytes

    def snapshot(self) -> list[int | bytes]:
        """Plain values; see `SparseCounts.snapshot`."""
        return self._counts.snapshot()

    @classmethod
    def restore(cls, plain: list[int | bytes]) -> Self:
        """The histogram that `snapshot` wrote."""
        restored = cls()
        restored._counts = SparseCounts.restore(plain)
        return restored


def _key(value: float) -> int:
    return int(order_keys(np.array([value]))[0])


def percentile_rank(size: int, per_mille: int) -> int:
    """The rank, counted from 1, of a percentile of `size` values: numpy's, with its rounding.

    That is ceil(size x per_mille / 1000), and one more where 99.9 / 100 is rounded up and the
    product is whole: of a thousand values numpy's 99.9th percentile is the largest.

    >>> percentile_rank(100, 990), percentile_rank(101, 990), percentile_rank(1, 500)
    (99, 100, 1)
    >>> percentile_rank(999, 999), percentile_rank(1000, 999)
    (999, 1000)
    """
    place = size * (per_mille / 10 / 100) - 1
    below = math.floor(place)
    return max(1, below + 1 if place == below else below + 2)
