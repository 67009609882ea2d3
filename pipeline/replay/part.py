"""What a file yields: some of its rows, checked as the worker checks them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from pipeline.columns import Ints
from pipeline.decode import Chunk


@dataclass(slots=True)
class Part:
    """Consecutive rows of one file.

    Attributes:
        chunks: the rows that count; `offset` is the row's number in the file, and `record_ts` its
            `received`, else the clock at the start of the replay.
        rejected: how many rows were rejected, by reason.
    """

    chunks: list[Chunk]
    rejected: Counter[str] = field(default_factory=Counter)

    def offsets(self) -> Ints:
        """The numbers of all rows, in the order of the chunks."""
        return joined([chunk.offset for chunk in self.chunks])

    def times(self) -> Ints:
        """The event times, in the order of the chunks."""
        return joined([chunk.rows.ts for chunk in self.chunks])

    def records(self) -> Ints:
        """When the records were written, in the order of the chunks."""
        return joined([chunk.record_ts for chunk in self.chunks])


def joined(arrays: list[Ints]) -> Ints:
    """One array after the other; an empty one of none."""
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)
