"""Counts under whole-number keys, of which few occur."""

from __future__ import annotations

from typing import Self

import numpy as np

from pipeline.stats.packing import Ints, pack_ints, unpack_ints

_COMPACT_AT = 32
_DENSE = 4
_NOTHING: Ints = np.zeros(0, np.int64)


class SparseCounts:
    """How often each key occurred; keys that nobody counted take no room.

    Guarantee: exact; what was added and taken back leaves no key. Cost: merging appends, and the
    parts are put together (one sort) when 32 have gathered or somebody looks.

    >>> counts = SparseCounts()
    >>> counts.add(np.array([3, 9]), np.array([1, 2]))
    >>> counts.add(np.array([3]), np.array([-1]))
    >>> [part.tolist() for part in counts.arrays()]
    [[9], [2]]
    """

    __slots__ = ("_compact", "_parts", "_total")

    def __init__(self) -> None:
        """Nothing counted yet."""
        self._parts: list[tuple[Ints, Ints]] = []
        self._compact = True
        self._total = 0

    def add(self, keys: Ints, counts: Ints) -> None:
        """Add a count (negative: take it back) under each key; keys may repeat."""
        if len(keys):
            self._parts.append((keys, counts))
            self._total += int(np.add.reduce(counts))
            self._grown()

    def add_distinct(self, keys: Ints, counts: Ints) -> None:
        """The same of keys that rise and counts that are not zero: the first need no sorting."""
        first = not self._parts
        self.add(keys, counts)
        if first:
            self._compact = True

    def merge(self, other: SparseCounts) -> None:
        """Add the counts of another."""
        if other._parts:
            self._parts.extend(other._parts)
            self._total += other._total
            self._grown()

    def _grown(self) -> None:
        self._compact = False
        if len(self._parts) >= _COMPACT_AT:
            self._put_together()

    def arrays(self) -> tuple[Ints, Ints]:
        """The keys, rising, and their counts, none of them zero."""
        if not self._compact:
            self._put_together()
        return self._parts[0] if self._parts else (_NOTHING, _NOTHING)

    def total(self) -> int:
        """The sum of all counts."""
        return self._total

    @property
    def nbytes(self) -> int:
        """About how much memory it takes, once it is put together."""
        return 300 + sum(part.nbytes for part in self.arrays())

    def _put_together(self) -> None:
        keys = np.concatenate([part[0] for part in self._parts])
        counts = np.concatenate([part[1] for part in self._parts])
        low, high = int(keys.min()), int(keys.max())
        if high - low < _DENSE * len(keys):
            # Keys lie close: no need to sort them. Doubles hold such sums exactly.
            dense = np.bincount(keys - low, weights=counts)
            places = np.flatnonzero(dense)
            keys, sums = places + low, dense[places].astype(np.int64)
        else:
            order = np.argsort(keys, kind="stable")
            keys, counts = keys[order], counts[order]
            starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
            sums = np.add.reduceat(counts, starts)
            here = sums != 0
            keys, sums = keys[starts][here], sums[here]
        self._parts = [(keys, sums)] if len(keys) else []
        self._compact = True

    def snapshot(self) -> list[int | bytes]:
        """`[first key, gaps between keys, counts]`, or `[]`."""
        keys, counts = self.arrays()
        if not len(keys):
            return []
        return [int(keys[0]), pack_ints(np.diff(keys)), pack_ints(counts)]

    @classmethod
    def restore(cls, plain: list[int | bytes]) -> Self:
        """The counts that `snapshot` wrote."""
        restored = cls()
        if plain:
            first, gaps, counts = plain
            assert isinstance(first, int) and isinstance(gaps, bytes) and isinstance(counts, bytes)
            keys = np.concatenate([[0], np.cumsum(unpack_ints(gaps))]) + first
            restored.add(keys.astype(np.int64), unpack_ints(counts))
        return restored
