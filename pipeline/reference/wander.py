"""How much the reference itself wanders from one stretch of time to the next."""

from __future__ import annotations

import math

import numpy as np

from inferwatch.events.reference import CategoricalReference, ColumnReference, NumericReference
from pipeline.columns import Column, Ints
from pipeline.decode.column_values import as_texts
from pipeline.stats.categorical_block import GROUPS
from pipeline.stats.drift import ranks_of

MOST_CHUNKS = 64
FEWEST_CHUNKS = 8
CHUNK_ROWS = 200


def chunk_count(rows: int) -> int:
    """How many chunks in order of time the reference is cut into; 0 when it is too short.

    >>> chunk_count(1_000), chunk_count(2_000), chunk_count(1_000_000)
    (0, 10, 64)
    """
    chunks = min(MOST_CHUNKS, rows // CHUNK_ROWS)
    return chunks if chunks >= FEWEST_CHUNKS else 0


class Wander:
    """The over-dispersion of one column over chunks of time.

    `phi = max(1, ratio / (1 + 2/sqrt(2 f)))`, where the ratio is that of the standard deviation of
    the chunks' mean ranks (or rank spreads, the larger) to what chance gives rows that are drawn
    independently, for categories the root of the chi-square over its f degrees of freedom; the
    divisor is two standard errors of that ratio, so that chance alone gives 1.

    Cost: 50 ns a row, some 5 kB a column.
    """

    def __init__(self, reference: ColumnReference, chunks: int) -> None:
        """Nothing seen yet."""
        self._reference = reference
        self._chunks = chunks
        if isinstance(reference, NumericReference):
            self._edges = np.array(reference.cell_edges)
            self._ranks = ranks_of(np.array(reference.cell_counts, np.int64))
            width = len(reference.cell_counts)
        else:
            ranked = sorted(reference.counts, key=lambda text: -reference.counts[text])
            self._groups = {text: place for place, text in enumerate(ranked[: GROUPS - 1])}
            width = GROUPS
        self._counts = np.zeros((chunks, width), np.int64)

    def update(self, column: Column, chunk: Ints) -> None:
        """Count rows, each of which lies in this chunk."""
        if isinstance(self._reference, NumericReference):
            self._update_numbers(column, chunk)
        else:
            self._update_texts(as_texts(column), chunk)

    def _update_numbers(self, column: Column, chunk: Ints) -> None:
        if column.numbers is None:
            return
        here = np.isfinite(column.numbers)
        if column.is_number is not None:
            here &= column.is_number
        numbers = column.numbers[here].astype(np.float64)
        self._add(chunk[here], self._edges.searchsorted(numbers, "left"))

    def _update_texts(self, column: Column, chunk: Ints) -> None:
        if column.codes is None:
            return
        group = np.array([self._groups.get(text, GROUPS - 1) for text in column.texts], np.int64)
        here = column.codes >= 0
        self._add(chunk[here], group[column.codes[here]])

    def _add(self, chunk: Ints, place: Ints) -> None:
        width = self._counts.shape[1]
        flat = np.bincount(chunk * width + place, minlength=self._counts.size)
        self._counts += flat.reshape(self._counts.shape)

    def phi(self) -> float | None:
        """The over-dispersion; None with fewer than 8 chunks that hold rows enough."""
        counts = self._counts[self._counts.sum(axis=1) >= CHUNK_ROWS // 4]
        if len(counts) < FEWEST_CHUNKS:
            return None
        if isinstance(self._reference, CategoricalReference):
            return _categorical_phi(counts)
        middle = self._ranks - 0.5
        return max(_numeric_phi(counts, middle), _numeric_phi(counts, np.abs(middle)))


def _numeric_phi(counts: Ints, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    rows = counts.sum(axis=1)
    shares = counts.sum(axis=0) / rows.sum()
    mean = float((values * shares).sum())
    variance = float(((values - mean) ** 2 * shares).sum())
    if variance <= 1e-15:
        return 1.0
    scores = (counts @ values / rows - mean) * np.sqrt(rows / variance)
    degrees = len(counts) - 1
    return _beyond_chance(float((scores**2).sum()), degrees)


def _categorical_phi(counts: Ints) -> float:
    counts = counts[:, counts.sum(axis=0) > 0]
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    degrees = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if not degrees:
        return 1.0
    return _beyond_chance(float(((counts - expected) ** 2 / expected).sum()), degrees)


def _beyond_chance(chi_square: float, degrees: int) -> float:
    ratio = math.sqrt(chi_square / degrees)
    return max(1.0, ratio / (1 + 2 / math.sqrt(2 * degrees)))
