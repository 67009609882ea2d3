"""The numbers that a sender gave its rows, in the order of the log, rejected rows among them.

One record after the other, and within a record by number: so what is missing, and which row shows
it, does not depend on how the log was cut into batches, nor on how a batch was split into chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.columns import Ints
from pipeline.decode.decoded import Chunk


@dataclass(frozen=True, slots=True)
class Numbered:
    """n numbers of one sender, in the order of the log.

    Attributes:
        seq: shape (n,).
        part: shape (n,); the chunk of each.
        row: shape (n,); its row there, -1 for a row that was rejected: its number is used.
    """

    seq: Ints
    part: Ints
    row: Ints

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> Numbered:
        """The numbers of all chunks of one sender."""
        seq, offset, part, row = [], [], [], []
        for n, chunk in enumerate(chunks):
            if chunk.rows.seq is not None:
                here = np.flatnonzero(chunk.rows.seq >= 0)
                seq.append(chunk.rows.seq[here])
                offset.append(chunk.offset[here])
                row.append(here)
                part.append(np.full(len(here), n))
            if len(chunk.rejected_seq):
                seq.append(chunk.rejected_seq)
                offset.append(chunk.rejected_offset)
                row.append(np.full(len(chunk.rejected_seq), -1))
                part.append(np.full(len(chunk.rejected_seq), n))
        if not seq:
            none = np.empty(0, np.int64)
            return cls(none, none, none)
        numbers = np.concatenate(seq)
        if len(seq) == 1 and (numbers[1:] > numbers[:-1]).all():
            # The usual batch; its offsets never fall.
            return cls(numbers, part[0], row[0])
        order = np.lexsort((numbers, np.concatenate(offset)))
        return cls(numbers[order], np.concatenate(part)[order], np.concatenate(row)[order])

    def good_row_from(self, at: int) -> tuple[int, int]:
        """Chunk and row of the first row from here on that was not rejected; row -1 without one."""
        good = np.flatnonzero(self.row[at:] >= 0)
        if not len(good):
            return -1, -1
        return int(self.part[at + good[0]]), int(self.row[at + good[0]])
