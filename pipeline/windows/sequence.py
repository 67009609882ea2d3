"""Which rows of a sender have been seen: what makes resends count once, and holes visible.

Every sender numbers its rows per topic and partition from 0. Per origin the numbers seen are kept
as a short list of rising, disjoint ranges: a batch may come late, so the highest number alone is
not enough. Each gap between two ranges is a hole, and is charged to the pane of the row that
showed it; when the missing rows still come, the charge is taken back from that same pane. A hole
that a rejected row shows waits for the sender's next good row, however the log was cut.

Cost: a sender without holes is one range (about 60 bytes stored).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.columns import Ints, Mask

MAX_RANGES = 64
"""Past this many ranges the oldest hole is given up: its rows stay lost."""


WAITING = "?"
"""Stands for the pane of a hole that only rejected rows have shown so far."""


@dataclass(slots=True)
class _Range:
    """Numbers `first` <= n < `after` were seen; `hole_pane` was charged for the gap before it."""

    first: int
    after: int
    hole_pane: str


@dataclass(slots=True)
class Admission:
    """What one batch of numbers did.

    Attributes:
        fresh: shape (n,): the rows that were not seen before.
        lost: pane key, or WAITING -> change of its `lost` counter; negative where a hole was
            filled.
    """

    fresh: Mask
    lost: dict[str, int] = field(default_factory=dict)

    def charge(self, pane: str, rows: int) -> None:
        """Add to the change of a pane's `lost` counter."""
        self.lost[pane] = self.lost.get(pane, 0) + rows


@dataclass(slots=True)
class OriginSequence:
    """The numbers seen of one origin in one partition.

    Attributes:
        sparse: holes mean nothing (the header `sparse: 1`).
        last_ts: highest event time of its rows; silence is measured from it.
    """

    sparse: bool = False
    last_ts: int = 0
    _ranges: list[_Range] = field(default_factory=list)

    def admit(self, numbers: Ints, pane_of: Callable[[int], str], *, from_start: bool) -> Admission:
        """Take in the numbers of one batch, in the order of its rows.

        Args:
            numbers: shape (n,); n >= 1.
            pane_of: the pane key of the first good row from a row of the batch on, which is charged
                for the hole that this row shows; WAITING where none follows in this batch.
            from_start: whether the partition was read from its beginning, so that numbers before
                the first record of the origin are missing too.

        >>> seen = OriginSequence()
        >>> seen.admit(np.array([0, 1, 4]), "aab".__getitem__, from_start=True).lost
        {'b': 2}
        >>> late = seen.admit(np.array([2, 4]), "cc".__getitem__, from_start=True)
        >>> late.fresh.tolist(), late.lost
        ([True, False], {'b': -1})
        """
        if not self._ranges and not from_start:
            self._ranges.append(_Range(int(numbers[0]), int(numbers[0]), ""))
        admission = Admission(np.ones(len(numbers), np.bool_))
        if any(one.hole_pane == WAITING for one in self._ranges):
            self._charge_waiting(pane_of(0), admission)
        # Whole runs of consecutive numbers are admitted at once: the usual batch is one run.
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        for run in np.split(np.arange(len(numbers)), breaks):
            first, after = int(numbers[run[0]]), int(numbers[run[-1]]) + 1
            self._admit_run(first, after, int(run[0]), pane_of, admission)
        while len(self._ranges) > MAX_RANGES:
            self._give_up_oldest_hole()
        return admission

    def give_up_holes(self) -> None:
        """Keep the highest number only: an origin long silent will not fill its holes."""
        if self._ranges:
            last = self._ranges[-1]
            self._ranges[:] = [_Range(self._ranges[0].first, last.after, "")]

    def _admit_run(
        self, first: int, after: int, row: int, pane_of: Callable[[int], str], admission: Admission
    ) -> None:
        top = self._ranges[-1].after if self._ranges else 0
        if not self._ranges:
            if first > 0 and not self.sparse:
                admission.charge(pane_of(row), first)
            self._ranges.append(_Range(first, after, pane_of(row)))
            return
        if first >= top:
            if first == top or self.sparse:
                self._ranges[-1].after = after
            else:
                admission.charge(pane_of(row), first - top)
                self._ranges.append(_Range(first, after, pane_of(row)))
            return
        # Some of the run lies below the highest number: resent rows, or rows that came late.
        for number in range(first, after):
            offset = row + number - first
            if number >= self._ranges[-1].after:
                self._admit_run(number, after, offset, pane_of, admission)
                return
            if not self._fill(number, admission):
                admission.fresh[offset] = False

    def _charge_waiting(self, pane: str, admission: Admission) -> None:
        """Charge the holes that waited for a good row to its pane."""
        before = 0
        for one in self._ranges:
            if one.hole_pane == WAITING:
                # Before a sparse sender's first number there is no hole.
                hole = 0 if self.sparse else one.first - before
                admission.charge(WAITING, -hole)
                admission.charge(pane, hole)
                one.hole_pane = pane
            before = one.after

    def _fill(self, number: int, admission: Admission) -> bool:
        """Put one late number into its hole; False where it was seen already."""
        if self.sparse:
            return False
        at = self._range_above(number)
        if at < len(self._ranges) and self._ranges[at].first <= number:
            return False
        above = self._ranges[at]
        below = self._ranges[at - 1] if at else None
        pane = above.hole_pane
        admission.charge(pane, -1)
        joins_below = below is not None and below.after == number
        joins_above = above.first == number + 1
        if joins_below and joins_above and below is not None:
            below.after = above.after
            del self._ranges[at]
        elif joins_below and below is not None:
            below.after = number + 1
        elif joins_above:
            above.first = number
        else:
            self._ranges.insert(at, _Range(number, number + 1, pane))
        return True

    def _range_above(self, number: int) -> int:
        """The index of the first range that ends above the number."""
        low, high = 0, len(self._ranges)
        while low < high:
            middle = (low + high) // 2
            if self._ranges[middle].after > number:
                high = middle
            else:
                low = middle + 1
        return low

    def _give_up_oldest_hole(self) -> None:
        first, second = self._ranges[0], self._ranges[1]
        self._ranges[:2] = [_Range(first.first, second.after, first.hole_pane)]

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            self.sparse,
            self.last_ts,
            [[r.first, r.after, r.hole_pane] for r in self._ranges],
        ]

    @classmethod
    def restore(cls, plain: list[Any]) -> OriginSequence:
        """What `snapshot` gave."""
        sparse, last_ts, ranges = plain
        return cls(bool(sparse), int(last_ts), [_Range(f, a, p) for f, a, p in ranges])
