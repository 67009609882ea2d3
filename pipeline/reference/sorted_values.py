"""All numbers of a column in rising order, however many: sorted runs on disk, merged by range."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.moments import Moments

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RUN_VALUES = 1_000_000
_SAMPLES = 256


class SortedValues:
    """Gathers numbers, then gives the distinct ones in rising order with their counts.

    Guarantee: exact. Memory: the values of one run (8 MB); whatever is beyond that lies in a
    temporary folder as sorted runs of distinct values and counts, 16 bytes each, and is merged
    range by range. Cost: 20 ns a value in memory, 60 ns from disk.

    >>> values = SortedValues()
    >>> values.update(np.array([2.0, 1.0, 2.0]))
    >>> [(v.tolist(), c.tolist()) for v, c in values.distinct()]
    [([1.0, 2.0], [1, 2])]
    >>> values.moments.count, values.moments.max
    (3, 2.0)
    """

    def __init__(self, run_values: int = RUN_VALUES) -> None:
        """Nothing gathered yet.

        Args:
            run_values: how many values are held in memory before they become a run.
        """
        self.count = 0
        self.moments = Moments()
        self._run_values = run_values
        self._buffer: list[Floats] = []
        self._buffered = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runs: list[tuple[Floats, Ints]] = []

    def update(self, values: NDArray[Any]) -> None:
        """Take in finite numbers."""
        if len(values):
            self.count += len(values)
            self._buffer.append(values.astype(np.float64, copy=False))
            self._buffered += len(values)
            if self._buffered >= self._run_values:
                self._store(*self._take_buffer())

    def _take_buffer(self) -> tuple[Floats, Ints]:
        ordered = np.sort(np.concatenate(self._buffer)) + 0.0
        self._buffer, self._buffered = [], 0
        self.moments.update_sorted(ordered)
        values, counts = np.unique(ordered, return_counts=True)
        return values, counts

    def _store(self, values: Floats, counts: Ints) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="inferwatch-reference-")
        stem = Path(self._folder.name) / str(len(self._runs))
        mapped = []
        for name, part in (("values", values), ("counts", counts)):
            path = stem.with_suffix(f".{name}.npy")
            np.save(path, part)
            mapped.append(np.load(path, mmap_mode="r"))
        self._runs.append((mapped[0], mapped[1]))

    def distinct(self) -> Iterator[tuple[Floats, Ints]]:
        """The distinct values in rising order and their counts, a range at a time."""
        if self._buffered:
            last = self._take_buffer()
            if self._runs:
                self._store(*last)
            else:
                # Everything fits into memory: no file is needed.
                self._runs.append(last)
        if len(self._runs) == 1:
            values, counts = self._runs[0]
            for start in range(0, len(values), self._run_values):
                stop = start + self._run_values
                yield np.asarray(values[start:stop]), np.asarray(counts[start:stop])
            return
        starts = [0] * len(self._runs)
        for splitter in (*self._splitters(), np.inf):
            stops = [int(values.searchsorted(splitter, "right")) for values, _ in self._runs]
            parts = [
                (values[start:stop], counts[start:stop])
                for (values, counts), start, stop in zip(self._runs, starts, stops, strict=True)
                if stop > start
            ]
            starts = stops
            if parts:
                yield _merged(parts)

    def _splitters(self) -> list[float]:
        """Values that part the runs into ranges of about a run each."""
        samples = [
            values[:: max(1, len(values) // _SAMPLES)] for values, _ in self._runs if len(values)
        ]
        if not samples:
            return []
        ordered = np.sort(np.concatenate(samples))
        step = max(1, len(ordered) // len(self._runs))
        return sorted(set(ordered[step::step].tolist()))

    def close(self) -> None:
        """Remove what lies on disk."""
        self._runs = []
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _merged(parts: list[tuple[Floats, Ints]]) -> tuple[Floats, Ints]:
    values = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    distinct, inverse = np.unique(values, return_inverse=True)
    totals = np.zeros(len(distinct), np.int64)
    np.add.at(totals, inverse, counts)
    return distinct, totals
