"""What the fold is measured with: seeded events of 16 numeric and 4 categorical features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Column

WINDOW = 12_500
CLASSES = ("a", "b", "c")
CATEGORIES = tuple(f"v{i}" for i in range(20))


class Rows:
    """Seeded events as columns."""

    def __init__(self, size: int, dtype: type[np.floating[Any]], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self.numbers: list[NDArray[Any]] = []
        for i in range(16):
            draw = rng.normal(size=size) if i % 2 else rng.lognormal(size=size)
            self.numbers.append((draw + i).astype(dtype))
        weights = np.arange(20, 0, -1) / 210
        self.codes = [rng.choice(20, size, p=weights).astype(np.int32) for _ in range(4)]
        self.latency = rng.lognormal(3, 0.7, size)
        self.failed = rng.random(size) < 0.01
        self.none = np.full(size, np.nan)
        self.actual = rng.integers(0, 3, size, dtype=np.int32)
        self.predicted = np.where(
            rng.random(size) < 0.9, self.actual, rng.integers(0, 3, size, np.int32)
        )

    def columns(self, start: int, stop: int) -> dict[str, Column]:
        rows = slice(start, stop)
        columns = {
            f"n{i}": Column(stop - start, numbers=numbers[rows])
            for i, numbers in enumerate(self.numbers)
        }
        for i, codes in enumerate(self.codes):
            columns[f"c{i}"] = Column(stop - start, codes=codes[rows], texts=CATEGORIES)
        return columns

    def batch(self, start: int, stop: int) -> Batch:
        part = slice(start, stop)
        actual, predicted = (
            Column(stop - start, codes=codes[part], texts=CLASSES)
            for codes in (self.actual, self.predicted)
        )
        return Batch(
            self.columns(start, stop),
            self.latency[part],
            self.failed[part],
            self.none[part],
            actual,
            predicted,
        )


@dataclass(frozen=True)
class Batch:
    """What decoding yields; that is measured elsewhere."""

    columns: dict[str, Column]
    latency: NDArray[Any]
    failed: NDArray[Any]
    none: NDArray[Any]
    actual: Column
    predicted: Column


def batches_of(rows: Rows, size: int) -> list[list[Batch]]:
    """The batches of each window."""
    return [
        [
            rows.batch(start, min(start + size, first + WINDOW, rows.size))
            for start in range(first, min(first + WINDOW, rows.size), size)
        ]
        for first in range(0, rows.size, WINDOW)
    ]
