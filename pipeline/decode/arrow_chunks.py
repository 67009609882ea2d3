"""Columnar batches, put together where they are small, to chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from inferwatch.errors import RejectedEventError
from inferwatch.events.arrow_reader import ArrowBatch, read_batch
from inferwatch.events.dead_letters import DeadLetters
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.kinds import MAX_BATCH_ROWS, ORIGIN
from pipeline.decode.arrow_fields import Fields, fields_of
from pipeline.decode.batch_rows import Place, chunks_of
from pipeline.decode.decoded import Chunk
from pipeline.decode.faults import Faults
from pipeline.decode.filled import Filled
from pipeline.decode.kind_readers import KindReader
from pipeline.decode.record import RawRecord, Sender

# Batches of one schema are computed together up to here.
_TOGETHER_BYTES = 16 * 1024 * 1024

_CANNOT = (pa.ArrowException, ValueError, OverflowError)
"""What pyarrow raises for a type that has no such cast or kernel."""


@dataclass(slots=True)
class _Group:
    """Batches with equal schemas of one source, in the order of the log."""

    origin: str | None
    sparse: bool
    records: list[RawRecord] = field(default_factory=list)
    batches: list[ArrowBatch] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    rows: int = 0
    size: int = 0


class ArrowChunks:
    """Collects batches and yields them as chunks, and their bad rows as dead letters."""

    def __init__(
        self, reader: KindReader, letters: DeadLetters, *, event_bytes: int, future: int
    ) -> None:
        """Start empty; `event_bytes` and `future` (ms) are the limits of the config."""
        self._reader = reader
        self._letters = letters
        self._event_bytes = event_bytes
        self._future = future
        self._groups: dict[tuple[int, str | None, bool, bytes], _Group] = {}
        self._full: list[_Group] = []
        self._filled: list[Filled] = []

    def add(self, record: RawRecord, sender: Sender, value: bytes) -> None:
        """Read a batch and keep it.

        Raises:
            RejectedEventError: the record is no batch.
        """
        batch = read_batch(value, event_bytes=self._event_bytes)
        own = batch.metadata.get(ORIGIN) or None
        origin = sender.origin or own
        filled = Filled.of(record, sender, own, batch.batch)
        if filled is not None:
            self._filled.append(filled)
        key = (record.partition, origin, sender.sparse, batch.schema)
        group = self._groups.get(key)
        if group is not None and (
            group.rows + batch.batch.num_rows > MAX_BATCH_ROWS
            or group.size + len(value) > _TOGETHER_BYTES
        ):
            self._full.append(self._groups.pop(key))
            group = None
        if group is None:
            group = self._groups[key] = _Group(origin, sender.sparse)
        group.records.append(record)
        group.batches.append(batch)
        group.first.append(-1 if sender.first is None else sender.first)
        group.rows += batch.batch.num_rows
        group.size += len(value)

    def finish(self) -> tuple[list[Chunk], list[DeadLetter]]:
        """All that was added, and nothing is left."""
        groups = [*self._full, *self._groups.values()]
        filled, self._full, self._groups, self._filled = self._filled, [], {}, []
        chunks: list[Chunk] = []
        rejected: list[DeadLetter] = []
        for group in groups:
            for whole in self._computable(group, rejected):
                chunks.extend(whole)
        refused = {(one.partition, one.offset) for one in rejected if one.row is None}
        chunks += [
            one.chunk(self._reader)
            for one in filled
            if (one.record.partition, one.record.offset) not in refused
        ]
        return chunks, rejected

    def _computable(self, group: _Group, rejected: list[DeadLetter]) -> Iterator[list[Chunk]]:
        """The chunks of a group; one record that cannot be computed does not take others along."""
        try:
            chunks, letters = self._compute(group)
        except _CANNOT as error:
            if len(group.records) > 1:
                for i, record in enumerate(group.records):
                    alone = _Group(
                        group.origin, group.sparse, [record], [group.batches[i]], [group.first[i]]
                    )
                    yield from self._computable(alone, rejected)
                return
            detail = f"its columns cannot be computed ({type(error).__name__})"
            refused = RejectedEventError("malformed", "", detail)
            rejected.append(self._letters.letter(group.records[0], refused))
            return
        rejected.extend(letters)
        yield chunks

    def _compute(self, group: _Group) -> tuple[list[Chunk], list[DeadLetter]]:
        batches = [batch.batch for batch in group.batches]
        sizes = [batch.num_rows for batch in batches]
        whole = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
        record = np.repeat(np.arange(len(sizes)), sizes)
        row = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
        record_ts = np.array([r.timestamp for r in group.records], np.int64)[record]
        fields = fields_of(whole, group.batches[0].metadata)
        faults = Faults()
        numbered = any(first >= 0 for first in group.first)
        place = Place(
            partition=group.records[0].partition,
            offset=np.array([r.offset for r in group.records], np.int64)[record],
            row=row,
            record_ts=record_ts,
            origin=group.origin,
            sparse=group.sparse,
            first=np.array(group.first, np.int64)[record] if numbered else None,
        )
        chunks = chunks_of(self._reader, fields, place, self._future, faults)
        letters = [
            self._letters.letter(
                group.records[record[i]], error, row=int(row[i]), data=_row_json(fields, i)
            )
            for i, error in faults.by_row.items()
        ]
        return chunks, letters


def _row_json(fields: Fields, row: int) -> bytes:
    # Its own reader takes NaN, so that what was rejected can be sent again as it was.
    return json.dumps(fields.row(row), default=str, ensure_ascii=False).encode()
