"""The area under the receiver's operating curve."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Mask
from pipeline.stats.log_histogram import order_keys
from pipeline.stats.packing import Ints
from pipeline.stats.sparse_counts import SparseCounts

Floats = NDArray[np.float64]

FINE_ROWS = 1_024
FINE_BITS = 24
COARSE_BITS = 11


class RocAuc:
    """P(score of a positive row > score of a negative one), ties half, from counts by score.

    Scores are counted in log-linear buckets from both ends, 0 and 1, where they crowd: 2,048 an
    octave, and 16 million an octave while there are at most 1,024 rows, when one pair of scores
    that share a bucket would show.

    Guarantee: within 0.002 of scikit-learn's; a row that is taken back leaves nothing behind.
    Cost: 40 ns a row; 3 to 5 bytes for each bucket that holds a row (at most about 16,000).

    >>> auc = RocAuc()
    >>> auc.update(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))
    >>> auc.value()
    0.875

    Source: the Mann-Whitney form; T. Fawcett, "An introduction to ROC analysis", 2006.
    """

    __slots__ = ("_fine", "_negative", "_positive")

    def __init__(self) -> None:
        """No row yet."""
        self._fine = True
        self._positive = SparseCounts()
        self._negative = SparseCounts()

    def update(self, scores: Floats, positive: Mask, sign: int = 1) -> None:
        """Count rows (`sign` -1: take them back)."""
        keys = _keys(scores, FINE_BITS)
        if not self._fine:
            keys = _coarser(keys)
        self._positive.add(keys[positive], np.full(int(positive.sum()), sign))
        self._negative.add(keys[~positive], np.full(int((~positive).sum()), sign))
        self._fit()

    def merge(self, other: RocAuc) -> None:
        """Take in all rows of another."""
        if self._fine and not other._fine:
            self._coarsen()
        for mine, theirs in ((self._positive, other._positive), (self._negative, other._negative)):
            if other._fine and not self._fine:
                keys, counts = theirs.arrays()
                mine.add(_coarser(keys), counts)
            else:
                mine.merge(theirs)
        self._fit()

    def _fit(self) -> None:
        # A function of the number of rows alone, so the order of merging does not show.
        if self._fine and self._positive.total() + self._negative.total() > FINE_ROWS:
            self._coarsen()

    def _coarsen(self) -> None:
        self._fine = False
        for name in ("_positive", "_negative"):
            keys, counts = getattr(self, name).arrays()
            coarse = SparseCounts()
            coarse.add(_coarser(keys), counts)
            setattr(self, name, coarse)

    def value(self) -> float | None:
        """The area; None unless there are rows of both kinds."""
        keys, counts = self._positive.arrays()
        other_keys, other_counts = self._negative.arrays()
        positives, negatives = int(counts.sum()), int(other_counts.sum())
        if not positives or not negatives:
            return None
        upto = np.concatenate([[0], np.cumsum(other_counts)])
        lower = upto[other_keys.searchsorted(keys, "left")]
        not_above = upto[other_keys.searchsorted(keys, "right")]
        # Twice the number of pairs won, as a whole number.
        won = int((counts * (lower + not_above)).sum())
        return won / (2 * positives * negatives)

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return 100 + self._positive.nbytes + self._negative.nbytes

    def snapshot(self) -> list[Any]:
        """Plain values."""
        return [self._fine, self._positive.snapshot(), self._negative.snapshot()]

    @classmethod
    def restore(cls, plain: list[Any]) -> Self:
        """The counts that `snapshot` wrote."""
        restored = cls()
        restored._fine = plain[0]
        restored._positive = SparseCounts.restore(plain[1])
        restored._negative = SparseCounts.restore(plain[2])
        return restored


_MIDDLE = {bits: int(order_keys(np.array([0.5]), bits)[0]) for bits in (FINE_BITS, COARSE_BITS)}


def _keys(scores: Floats, bits: int) -> Ints:
    """Keys that rise with the score and are as fine below 1 as above 0."""
    top = 2 * _MIDDLE[bits] + 1
    return np.where(scores <= 0.5, order_keys(scores, bits), top - order_keys(1 - scores, bits))


def _coarser(keys: Ints) -> Ints:
    shift = FINE_BITS - COARSE_BITS
    top, coarse_top = (2 * _MIDDLE[bits] + 1 for bits in (FINE_BITS, COARSE_BITS))
    return np.where(keys <= _MIDDLE[FINE_BITS], keys >> shift, coarse_top - ((top - keys) >> shift))
