"""Columnar batches, put together where they are small, to chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from inferwatch.errors import RejectedEventError
from inferwatch.events.arrow_reader import ArrowBatch, read_batch
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.kinds import MAX_BATCH_ROWS, ORIGIN
from pipeline.columns import Ints, PredictionRows
from pipeline.decode.arrow_column import to_column
from pipeline.decode.arrow_fields import Fields, fields_of
from pipeline.decode.column_values import as_texts
from pipeline.decode.dead_letters import DeadLetters
from pipeline.decode.decoded import Chunk, Rows
from pipeline.decode.faults import Faults
from pipeline.decode.kind_readers import KindReader
from pipeline.decode.record import RawRecord, Sender
from pipeline.decode.take import by_model, take

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

    def add(self, record: RawRecord, sender: Sender, value: bytes) -> None:
        """Read a batch and keep it.

        Raises:
            RejectedEventError: the record is no batch.
        """
        batch = read_batch(value, event_bytes=self._event_bytes)
        origin = sender.origin or batch.metadata.get(ORIGIN) or None
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
        self._full, self._groups = [], {}
        chunks: list[Chunk] = []
        rejected: list[DeadLetter] = []
        for group in groups:
            for whole in self._computable(group, rejected):
                chunks.extend(whole)
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
        rows = self._reader.batch(fields, record_ts + self._future, faults)
        seq = rows.seq
        if seq is None and any(first >= 0 for first in group.first):
            first = np.array(group.first, np.int64)[record]
            seq = np.where(first < 0, -1, first + row)
        place = _Place(
            group.records[0].partition,
            np.array([r.offset for r in group.records], np.int64)[record],
            row,
            record_ts,
            group.sparse,
        )
        letters = [
            self._letters.letter(
                group.records[record[i]], error, row=int(row[i]), data=_row_json(fields, i)
            )
            for i, error in faults.by_row.items()
        ]
        chunks = [
            chunk
            for origin, at in _by_origin(group.origin, fields)
            for chunk in _chunks(rows, place, origin, None if origin is None else seq, at, faults)
        ]
        return chunks, letters


@dataclass(frozen=True, slots=True)
class _Place:
    """Where each row of a group stands in the log."""

    partition: int
    offset: Ints
    row: np.ndarray[tuple[int], np.dtype[np.int32]]
    record_ts: Ints
    sparse: bool


def _chunks(
    rows: Rows, place: _Place, origin: str | None, seq: Ints | None, at: Ints | None, faults: Faults
) -> Iterator[Chunk]:
    """The chunks of one origin: `at` are its rows, None for all of them."""
    rows = replace(rows, seq=seq)
    mine = np.arange(rows.size) if at is None else at
    rejected = np.empty(0, np.int64)
    if faults.by_row:
        bad = np.isin(mine, list(faults.by_row))
        if seq is not None:
            rejected = seq[mine[bad]]
            rejected = rejected[rejected >= 0]
        mine = mine[~bad]
    if len(mine) < rows.size:
        rows = take(rows, mine)
    if not rows.size and not len(rejected):
        return
    parts: list[tuple[Rows, Ints]] = [(rows, np.arange(rows.size))]
    if isinstance(rows, PredictionRows):
        parts = list(by_model(rows))
    for part, within in parts:
        where = mine[within]
        yield Chunk(
            rows=part,
            partition=place.partition,
            offset=place.offset[where],
            row=place.row[where],
            record_ts=place.record_ts[where],
            origin=origin,
            sparse=place.sparse,
            rejected_seq=rejected,
        )
        rejected = np.empty(0, np.int64)


def _by_origin(origin: str | None, fields: Fields) -> list[tuple[str | None, Ints | None]]:
    """The origins of a group and their rows: by header or metadata one, else by the column."""
    array = fields.plain.get(ORIGIN)
    if origin is not None or array is None:
        return [(origin, None)]
    column = as_texts(to_column(array))
    if column.codes is None:
        return [(None, None)]
    return [
        (None if code < 0 else column.texts[code], np.flatnonzero(column.codes == code))
        for code in np.unique(column.codes).tolist()
    ]


def _row_json(fields: Fields, row: int) -> bytes:
    # Its own reader takes NaN, so that what was rejected can be sent again as it was.
    return json.dumps(fields.row(row), default=str, ensure_ascii=False).encode()
