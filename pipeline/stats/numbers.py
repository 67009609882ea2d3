"""The numbers of one column, counted: moments, reference cells, tails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferwatch.errors import MergeError, StateFormatError
from inferwatch.events.reference import NumericReference
from pipeline.columns import Floats
from pipeline.stats.cells import Cells, cells_of
from pipeline.stats.exact_sum import ExactSum, units_of
from pipeline.stats.log_histogram import LogHistogram, percentile_rank
from pipeline.stats.moments import Moments
from pipeline.stats.packing import Ints, pack_counts, unpack_counts

BUFFER_ROWS = 16_000
"""Values gathered before they are counted, and counted at once at most: sorting so many costs 3 ns
a value, and the calls of NumPy are shared by as many. Beyond these 128 kB each array of scratch is
fetched from the system anew and the caches are left."""


class NumberCounter:
    """All that is kept of the numbers of a column.

    With a reference every finite value is counted in its cell, and those out of the reference's
    range also in log buckets, one histogram below and one above, with their exact sums. Without
    one the log buckets hold everything.

    Guarantee: counts exact, any split, order and merging give equal state and equal bits. Cost:
    7 ns a value in batches of 12,000; in memory 8 bytes a cell (about 300) and the buffer; 150 to
    250 bytes in a snapshot.
    """

    __slots__ = (
        "_above",
        "_below",
        "_buffer",
        "_buffered",
        "_cell_counts",
        "_cells",
        "_excess",
        "_moments",
        "_non_finite",
        "_shortfall",
    )

    def __init__(self, reference: NumericReference | None) -> None:
        """Count against the cells of this reference, or without one."""
        self._cells = None if reference is None else cells_of(reference)
        self._cell_counts: NDArray[Any] = np.zeros(
            0 if self._cells is None else len(self._cells.reference), np.int64
        )
        self._moments = Moments()
        self._non_finite = 0
        self._below = LogHistogram()
        self._above = LogHistogram()
        self._shortfall = ExactSum()
        self._excess = ExactSum()
        self._buffer: list[Floats] = []
        self._buffered = 0

    # -- counting ------------------------------------------------------------------------------

    def update(self, numbers: Floats) -> None:
        """Take in numbers, finite or not; the array must not change afterwards."""
        self._buffer.append(numbers)
        self._buffered += len(numbers)
        if self._buffered >= BUFFER_ROWS:
            self._fold()

    def _fold(self) -> None:
        if not self._buffered:
            return
        buffer, self._buffer = self._buffer, []
        rows, self._buffered = self._buffered, 0
        if rows <= BUFFER_ROWS:
            self._count(np.concatenate(buffer))
            return
        gathered = np.concatenate(buffer)
        for start in range(0, rows, BUFFER_ROWS):
            self._count(gathered[start : start + BUFFER_ROWS])

    def _count(self, gathered: NDArray[Any]) -> None:
        """Count numbers, which are put in order on the way."""
        gathered.sort()
        ordered = gathered.astype(np.float64, copy=False)
        # Not-a-numbers sort to the end, infinities beside them.
        if not math.isfinite(ordered[-1]) or not math.isfinite(ordered[0]):
            start = int(ordered.searchsorted(-np.inf, "right"))
            stop = int(ordered.searchsorted(np.inf, "left"))
            self._non_finite += len(ordered) - (stop - start)
            ordered = ordered[start:stop]
        if len(ordered):
            self._count_finite(ordered)

    def _count_finite(self, ordered: NDArray[np.float64]) -> None:
        self._moments.update_sorted(ordered)
        cells = self._cells
        if cells is None:
            self._above.update_sorted(ordered)
            return
        self._cell_counts += cells.count_sorted(ordered)
        if ordered[0] < cells.min:
            below = ordered[: ordered.searchsorted(cells.min, "left")]
            self._below.update_sorted(below)
            self._shortfall.update(below)
        if ordered[-1] > cells.max:
            above = ordered[ordered.searchsorted(cells.max, "right") :]
            self._above.update_sorted(above)
            self._excess.update(above)

    def merge(self, other: NumberCounter) -> None:
        """Take in all numbers of another counter with the same cells."""
        if not _same(self._cells, other._cells):
            raise MergeError(
                f"numbers counted in {_name(self._cells)} and in {_name(other._cells)} do not add "
                "up: merge only panes of one reference"
            )
        self._fold()
        other._fold()
        self._cell_counts += other._cell_counts
        self._non_finite += other._non_finite
        self._moments.merge(other._moments)
        self._below.merge(other._below)
        self._above.merge(other._above)
        self._shortfall.merge(other._shortfall)
        self._excess.merge(other._excess)

    def snapshot(self) -> list[Any]:
        """Plain values."""
        self._fold()
        return [
            self._non_finite,
            self._moments.snapshot(),
            pack_counts(self._cell_counts) if self._moments.count else [],
            self._below.snapshot(),
            self._above.snapshot(),
            self._shortfall.snapshot() if self._shortfall.units else [],
            self._excess.snapshot() if self._excess.units else [],
        ]

    @classmethod
    def restore(cls, plain: list[Any], reference: NumericReference | None) -> NumberCounter:
        """The counter that `snapshot` wrote, of the same reference."""
        restored = cls(reference)
        non_finite, moments, cells, below, above, shortfall, excess = plain
        restored._non_finite = non_finite
        restored._moments = Moments.restore(moments)
        if cells:
            size = len(restored._cell_counts)
            restored._cell_counts = unpack_counts(cells, size)
            if len(restored._cell_counts) != size:
                raise StateFormatError(
                    f"stored counts have {len(restored._cell_counts)} cells, the reference has "
                    f"{size}: they belong to another reference"
                )
        restored._below = LogHistogram.restore(below)
        restored._above = LogHistogram.restore(above)
        if shortfall:
            restored._shortfall = ExactSum.restore(shortfall)
        if excess:
            restored._excess = ExactSum.restore(excess)
        return restored

    # -- reading -------------------------------------------------------------------------------

    @property
    def cells(self) -> Cells | None:
        """The reference's cells, None without a reference."""
        return self._cells

    @property
    def moments(self) -> Moments:
        """Count (of finite values), mean, std, min and max."""
        self._fold()
        return self._moments

    @property
    def non_finite(self) -> int:
        """Values that are NaN or infinite."""
        self._fold()
        return self._non_finite

    @property
    def cell_counts(self) -> Ints:
        """Finite values a cell; empty without a reference."""
        self._fold()
        return self._cell_counts.astype(np.int64, copy=False)

    def narrow(self) -> None:
        """Take less memory; it must only be read from now on."""
        self._fold()
        largest = int(self._cell_counts.max(initial=0))
        if largest < 2**32:
            self._cell_counts = self._cell_counts.astype(np.min_scalar_type(largest))

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return 800 + self._cell_counts.nbytes + self._below.nbytes + self._above.nbytes

    @property
    def below(self) -> int:
        """Finite values below the reference's range."""
        self._fold()
        return self._below.total() if self._cells is not None else 0

    @property
    def above(self) -> int:
        """Finite values above the reference's range."""
        self._fold()
        return self._above.total() if self._cells is not None else 0

    def beyond(self) -> float:
        """The sum of the distances of all values out of range from that range."""
        self._fold()
        if self._cells is None:
            return 0.0
        short = self._below.total() * units_of(self._cells.min) - self._shortfall.units
        over = self._excess.units - self._above.total() * units_of(self._cells.max)
        return ExactSum(short + over).value() or 0.0

    def far_out(self) -> int:
        """Values beyond the reference's range by more than half of it."""
        self._fold()
        cells = self._cells
        if cells is None:
            return 0
        half = cells.max / 2 - cells.min / 2
        low, high = cells.min - half, cells.max + half
        far = 0
        if self._moments.max > high:
            far += self._above.count_above(high)
        if self._moments.min < low:
            far += self._below.count_below(low)
        return far

    def largest_run(self) -> int:
        """The count of the fullest cell (in range) or log bucket (out of it)."""
        self._fold()
        largest = max(self._below.largest_bucket(), self._above.largest_bucket())
        if self._cells is None:
            return largest
        if self._moments.std > self._cells.std / 2:
            # A log bucket far from zero is wide: what varies in it is no single value.
            largest = 0
        return max(largest, int(self._inside().max()))

    def percentiles(self, *per_mille: int) -> tuple[float | None, ...]:
        """The values of rank ceil(n x per_mille / 1000); None without values.

        In the reference's range one lies in the cell of the exact value (at most 1/256 of the
        reference's mass away; the value itself for a spike), beyond it within 0.8 %.
        """
        self._fold()
        moments = self._moments
        if not moments.count:
            return (None,) * len(per_mille)
        upto = np.cumsum(self._inside())
        found = []
        for rank in (percentile_rank(moments.count, part) for part in per_mille):
            value = moments.max if rank == moments.count else self._at_rank(rank, upto)
            found.append(min(max(value, moments.min), moments.max) + 0.0)
        return tuple(found)

    def _at_rank(self, rank: int, upto: Ints) -> float:
        cells = self._cells
        if cells is None:
            return self._above.at_rank(rank)
        below = self._below.total()
        if rank <= below:
            return self._below.at_rank(rank)
        rank -= below
        if rank > upto[-1]:
            return self._above.at_rank(rank - int(upto[-1]))
        place = int(upto.searchsorted(rank))
        if not math.isnan(cells.spikes[place]):
            return float(cells.spikes[place])
        before = int(upto[place - 1]) if place else 0
        share = (rank - before - 0.5) / (int(upto[place]) - before)
        low, high = float(cells.lower[place]), float(cells.upper[place])
        return low + share * (high - low)

    def _inside(self) -> Ints:
        """Counts a cell without what is out of range: all of that fell beyond the last edges."""
        inside = self._cell_counts.astype(np.int64)
        if self._cells is None:
            return inside
        inside[0] -= self._below.total()
        inside[-1] -= self._above.total()
        return inside


def _same(one: Cells | None, other: Cells | None) -> bool:
    if one is None or other is None or one is other:
        return one is other
    return np.array_equal(one.edges, other.edges) and np.array_equal(one.reference, other.reference)


def _name(cells: Cells | None) -> str:
    if cells is None:
        return "log buckets (no reference)"
    return f"{len(cells.reference)} cells of a reference of {cells.rows} rows"
