"""Some rows of a chunk, as a chunk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.columns import Ints
from pipeline.decode.decoded import Chunk
from pipeline.decode.take import take


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
