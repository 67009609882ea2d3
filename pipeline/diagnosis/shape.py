"""The shape of a numeric column: three quantiles, and how far each wanders in good times."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log, sqrt

from inferwatch.events.reference import ColumnReference, NumericReference
from inferwatch.events.window import FeatureBlock, NumericBlock

RANKS = (0.05, 0.5, 0.95)
AS_ROWS = 50
"""Quantiles are taken to wander as those of 50 rows do, however many rows there are: a stream's
good windows differ by far more than sampling alone (a day's weather, a week's customers)."""
FLOOR = 0.02
"""And at least by this share of the distance from p05 to p95."""
SPREAD_WANDERS = 0.3
"""The spread of good windows wanders by a factor of exp(0.3) = 1.35, as the standard deviation."""
Z_CAP = 1000.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A numeric column in few numbers.

    Attributes:
        quantiles: p05, p50, p95.
        below, above: by how much each quantile may wander in either direction.
    """

    quantiles: tuple[float, float, float]
    below: tuple[float, float, float]
    above: tuple[float, float, float]
    mean: float
    std: float

    @property
    def spread(self) -> float:
        """From p05 to p95."""
        return self.quantiles[2] - self.quantiles[0]

    def misfit(
        self, window: tuple[float, float, float], scale: float = 1.0, offset: float = 0.0
    ) -> float:
        """How badly the window's quantiles fit this shape times `scale` plus `offset`.

        Mean of the squared scores of the three and of their spread: about 1 for a good window,
        up to some tens for a natural but unusual one, thousands for what is something else.
        """
        total = 0.0
        for mine, below, above, theirs in zip(
            self.quantiles, self.below, self.above, window, strict=True
        ):
            off = theirs - (mine * scale + offset)
            room = (above if off > 0 else below) * scale
            score = abs(off) / room if room > 0 else (0.0 if off == 0 else Z_CAP)
            total += min(score, Z_CAP) ** 2
        # Where the spread shrank all quantiles lie inside the old ones, and look close to them.
        spread = window[2] - window[0]
        if spread > 0 and self.spread > 0:
            total += (log(spread / (self.spread * scale)) / SPREAD_WANDERS) ** 2
        return total / (len(self.quantiles) + 1)

    def only_tail_moved(self, window: tuple[float, float, float]) -> bool:
        """Whether the median and the 5th, or the 95th, percentile are where they were."""
        low, middle, high = (
            self.quantiles[i] - self.below[i] <= value <= self.quantiles[i] + self.above[i]
            for i, value in enumerate(window)
        )
        return middle and (low or high)

    def moments_misfit(self, mean: float, std: float) -> float:
        """The same of mean and spread: exact where a window's quantiles are coarse.

        Far from where the reference has its cells a percentile is only known to within a cell.
        """
        if self.std <= 0 or std <= 0:
            return Z_CAP
        off = (mean - self.mean) / (self.std / sqrt(AS_ROWS))
        wider = log(std / self.std) / SPREAD_WANDERS
        return (off * off + wider * wider) / 2


def likeness(misfit: float) -> float:
    """A misfit as a share: 1 fits, 0 does not.

    >>> round(likeness(0.0), 2), round(likeness(1.0), 2), round(likeness(9.0), 2)
    (1.0, 0.61, 0.01)
    """
    return exp(-misfit / 2)


def quantiles_of(block: FeatureBlock | None) -> tuple[float, float, float] | None:
    """p05, p50 and p95 of a window's column, where it has them."""
    if not isinstance(block, NumericBlock):
        return None
    if block.p05 is None or block.p50 is None or block.p95 is None:
        return None
    return block.p05, block.p50, block.p95


def shape_of(column: ColumnReference | FeatureBlock | None) -> Shape | None:
    """The shape of a reference's column, or of the column of a calm window."""
    if not isinstance(column, (NumericReference, NumericBlock)):
        return None
    if column.p05 is None or column.p50 is None or column.p95 is None:
        return None
    quantiles = (column.p05, column.p50, column.p95)
    floor = FLOOR * (quantiles[2] - quantiles[0])
    if isinstance(column, NumericReference) and column.cell_counts:
        below, above = _wander(column, quantiles)
    else:
        # Without the reference's cells: what 50 rows of a normal do, twice that in the tails.
        unit = (quantiles[2] - quantiles[0]) / 3.29
        below = above = (0.6 * unit, 0.2 * unit, 0.6 * unit)
    return Shape(
        quantiles,
        _at_least(below, floor),
        _at_least(above, floor),
        column.mean or 0.0,
        column.std or 0.0,
    )


Three = tuple[float, float, float]


def _at_least(values: Three, floor: float) -> Three:
    first, middle, last = (max(v, floor) for v in values)
    return first, middle, last


def _wander(column: NumericReference, quantiles: Three) -> tuple[Three, Three]:
    cumulative = list(accumulate(column.cell_counts))
    below, above = [], []
    for rank, value in zip(RANKS, quantiles, strict=True):
        reach = sqrt(rank * (1 - rank) / AS_ROWS)
        below.append(max(0.0, value - _quantile(column, cumulative, rank - reach)))
        above.append(max(0.0, _quantile(column, cumulative, rank + reach) - value))
    return (below[0], below[1], below[2]), (above[0], above[1], above[2])


def _quantile(column: NumericReference, cumulative: list[int], rank: float) -> float:
    """The reference's quantile, to within a cell."""
    cell = bisect_left(cumulative, rank * cumulative[-1])
    edges = column.cell_edges
    if cell >= len(edges):
        return edges[-1] if column.max is None else column.max
    return edges[cell]
