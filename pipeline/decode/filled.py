"""The numbers that a rejected batch left open, once it is sent again and counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from inferwatch.events.kinds import SEQ
from pipeline.decode.decoded import Chunk
from pipeline.decode.kind_readers import KindReader
from pipeline.decode.record import RawRecord, Sender


@dataclass(frozen=True, slots=True)
class Filled:
    """The numbers of a sender that are used now, and no holes any more.

    The rows count under numbers of their own: holes that were given up as lost take nothing in.

    Attributes:
        record: the batch as it was sent again.
        origin: who had sent it first.
        first: the number that its first row had.
        rows: how many rows it has.
    """

    record: RawRecord
    origin: str
    first: int
    rows: int

    @classmethod
    def of(
        cls, record: RawRecord, sender: Sender, own: str | None, batch: pa.RecordBatch
    ) -> Filled | None:
        """What a batch fills; None for one that comes for the first time.

        Args:
            record: the batch in the log.
            sender: what its headers say.
            own: the origin that its metadata name.
            batch: its rows; a column of numbers wins over what headers say, which is then nothing.
        """
        origin = sender.fills_of or own
        if sender.fills is None or origin is None or SEQ in batch.schema.names:
            return None
        return cls(record, origin, sender.fills, batch.num_rows)

    def chunk(self, reader: KindReader) -> Chunk:
        """A chunk without rows that tells the numbers, as one of rejected rows does."""
        return Chunk(
            rows=reader.columns([]),
            partition=self.record.partition,
            offset=np.empty(0, np.int64),
            row=np.empty(0, np.int32),
            record_ts=np.empty(0, np.int64),
            origin=self.origin,
            sparse=False,
            rejected_seq=np.arange(self.first, self.first + self.rows),
            rejected_offset=np.full(self.rows, self.record.offset),
        )
