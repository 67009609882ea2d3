"""How sure a classifier was: rows by predicted class and by the score of that class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Column, Ints
from pipeline.stats.packing import pack_ints, unpack_ints
from pipeline.stats.score_rows import ScoreRows

_BELOW = 16
_OCTAVE = 6
_OCTAVES = 12

_NEAR_ONE = 0.5 * 2.0 ** -(np.arange(_OCTAVE * _OCTAVES) / _OCTAVE)
EDGES: NDArray[np.float64] = np.concatenate(
    [np.arange(1, _BELOW) / (2 * _BELOW), 1 - _NEAR_ONE, [1 - 0.5 * 2.0**-_OCTAVES]]
)
"""Inner edges of the bins of confidence, the same for every model: steps of 1/32 below one half,
from there on six to each halving of the distance to 1, where scores crowd, to 1 - 1/8192."""

BINS = len(EDGES) + 1


@dataclass(frozen=True, slots=True)
class Confidences:
    """The predicted class and its bin of confidence, row by row.

    Attributes:
        classes: names of classes.
        keys: place in `classes` times `BINS`, plus the bin; -1 where a row has no usable score.
    """

    classes: tuple[str, ...]
    keys: Ints

    @classmethod
    def of(
        cls,
        predicted: Column,
        scores: Mapping[str, NDArray[np.float64]],
        positive: str | None,
    ) -> Self:
        """Of predictions (a text column) and the scores by class, NaN where absent.

        >>> column = Column(2, codes=np.array([0, 0], np.int32), texts=("late",))
        >>> Confidences.of(column, {"late": np.array([0.1, 1.0])}, "late").keys.tolist()
        [3, 88]
        """
        keys = np.full(predicted.size, -1, np.int64)
        if predicted.codes is not None:
            here = np.flatnonzero(predicted.codes >= 0)
            column = predicted.take(here)
            own = {name: values[here] for name, values in scores.items()}
            sure = ScoreRows(column, column, own, positive).of_predicted
            usable = np.isfinite(sure)
            bins = EDGES.searchsorted(np.clip(sure[usable], 0.0, 1.0), "left")
            assert column.codes is not None
            keys[here[usable]] = column.codes[usable].astype(np.int64) * BINS + bins
        return cls(predicted.texts, keys)

    def spread(self, at: Ints, size: int) -> Self:
        """As rows at these positions of `size` rows, of which the others have no usable score."""
        keys = np.full(size, -1, np.int64)
        keys[at] = self.keys
        return type(self)(self.classes, keys)

    def take(self, rows: Ints) -> Self:
        """The rows at these positions."""
        return type(self)(self.classes, self.keys[rows])


class ConfidenceCounter:
    """Rows by predicted class and bin of confidence.

    Guarantee: exact, so any split and order give the same. Cost: 5 ns a row, some 100 bytes a class
    in a snapshot.
    """

    __slots__ = ("_buffer", "_counts")

    def __init__(self) -> None:
        """No row yet."""
        self._counts: dict[str, Ints] = {}
        self._buffer: list[tuple[Sequence[str], Ints]] = []

    def update(self, rows: Confidences) -> None:
        """Take in rows; the arrays must not change afterwards."""
        if self._buffer and self._buffer[0][0] is not rows.classes:
            self._fold()
        self._buffer.append((rows.classes, rows.keys))

    def _fold(self) -> None:
        if not self._buffer:
            return
        classes = self._buffer[0][0]
        keys = np.concatenate([part for _, part in self._buffer])
        self._buffer = []
        table = np.bincount(keys[keys >= 0], minlength=len(classes) * BINS).reshape(-1, BINS)
        for place in np.flatnonzero(table.any(axis=1)).tolist():
            self._add(classes[place], table[place])

    def _add(self, name: str, counts: Ints) -> None:
        mine = self._counts.get(name)
        self._counts[name] = counts.astype(np.int64) if mine is None else mine + counts

    def merge(self, other: ConfidenceCounter) -> None:
        """Take in all rows of another."""
        for name, counts in other.by_class().items():
            self._fold()
            self._add(name, counts)

    def by_class(self) -> Mapping[str, Ints]:
        """Rows a bin, by predicted class."""
        self._fold()
        return self._counts

    def snapshot(self) -> dict[str, list[int | bytes]]:
        """Plain values: of each class the first bin that holds a row, and the counts from there."""
        plain: dict[str, list[int | bytes]] = {}
        for name, counts in sorted(self.by_class().items()):
            used = np.flatnonzero(counts)
            plain[name] = [int(used[0]), pack_ints(counts[used[0] : used[-1] + 1])]
        return plain

    @classmethod
    def restore(cls, plain: Mapping[str, Any]) -> Self:
        """The counter that `snapshot` wrote."""
        restored = cls()
        for name, (first, packed) in plain.items():
            counts = np.zeros(BINS, np.int64)
            held = unpack_ints(packed)
            counts[first : first + len(held)] = held
            restored._counts[name] = counts
        return restored
