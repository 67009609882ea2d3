"""What a file yields: some of its rows, checked as the worker checks them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.columns import Ints
from pipeline.decode import Chunk
from pipeline.decode.take import take


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


def rows_of(chunk: Chunk, at: Ints) -> Chunk:
    """The rows at these rising positions, with all numbers that were rejected."""
    return replace(
        chunk,
        rows=chunk.rows if len(at) == chunk.rows.size else take(chunk.rows, at),
        offset=chunk.offset[at],
        row=chunk.row[at],
        record_ts=chunk.record_ts[at],
    )


def between(chunk: Chunk, first: int, after: int) -> Chunk | None:
    """What has `first` <= offset < `after`, rejected numbers too; None where nothing has."""
    start, stop = np.searchsorted(chunk.offset, [first, after]).tolist()
    burned = (chunk.rejected_offset >= first) & (chunk.rejected_offset < after)
    if start == stop and not burned.any():
        return None
    if stop - start == chunk.rows.size and burned.all():
        return chunk
    return replace(
        rows_of(chunk, np.arange(start, stop)),
        rejected_seq=chunk.rejected_seq[burned],
        rejected_offset=chunk.rejected_offset[burned],
    )
