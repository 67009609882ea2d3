"""Single JSON events, gathered into chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from inferwatch.events.json_event import Event
from pipeline.decode.decoded import Chunk
from pipeline.decode.kind_readers import KindReader
from pipeline.decode.record import RawRecord, Sender

# A table of events that have few names in common is mostly empty: it may have so many cells for
# each value that is really there, above a floor that is nothing to worry about.
_CELLS_A_VALUE = 8
_CELLS_AT_LEAST = 1_000_000

Source = tuple[int, str | None, bool]
"""Partition, origin and whether holes mean nothing: what all rows of a chunk share."""

_Burned = list[tuple[int, int]]
"""Numbers of rejected rows, and the offsets of their records."""


@dataclass(slots=True)
class _Pending:
    events: list[Any] = field(default_factory=list)
    records: list[RawRecord] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)


class JsonChunks:
    """Collects events and yields them as chunks, one for each source and model."""

    def __init__(self, reader: KindReader, future: int) -> None:
        """Start empty; `future` is `limits.future` in milliseconds."""
        self._reader = reader
        self._future = future
        self._pending: dict[tuple[Source, str | None], _Pending] = {}
        self._burned: dict[Source, _Burned] = {}

    def add(self, record: RawRecord, sender: Sender, event: Event) -> None:
        """Check an event and keep it.

        Raises:
            RejectedEventError: it does not count.
        """
        checked = self._reader.check(event, record.timestamp + self._future)
        source = (record.partition, sender.origin, sender.sparse)
        key = (source, getattr(checked, "model", None))
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending()
        pending.events.append(checked)
        pending.records.append(record)
        pending.seq.append(-1 if sender.first is None else sender.first)

    def burn(self, record: RawRecord, sender: Sender) -> None:
        """Note the number of an event that was rejected."""
        if sender.origin is not None and sender.first is not None:
            source = (record.partition, sender.origin, sender.sparse)
            self._burned.setdefault(source, []).append((sender.first, record.offset))

    def finish(self) -> list[Chunk]:
        """All that was added, and nothing is left."""
        pending, self._pending = self._pending, {}
        burned, self._burned = self._burned, {}
        chunks = []
        for (source, _model), rows in pending.items():
            for part in _narrow(rows):
                chunks.append(self._chunk(source, part, burned.pop(source, [])))
        for source, numbers in burned.items():
            chunks.append(self._chunk(source, _Pending(), numbers))
        return chunks

    def _chunk(self, source: Source, pending: _Pending, burned: _Burned) -> Chunk:
        partition, origin, sparse = source
        size = len(pending.events)
        rows = self._reader.columns(pending.events)
        if origin is not None and any(number >= 0 for number in pending.seq):
            rows = replace(rows, seq=np.array(pending.seq, np.int64))
        return Chunk(
            rows=rows,
            partition=partition,
            offset=np.fromiter([r.offset for r in pending.records], np.int64, size),
            row=np.zeros(size, np.int32),
            record_ts=np.fromiter([r.timestamp for r in pending.records], np.int64, size),
            origin=origin,
            sparse=sparse,
            rejected_seq=np.array([number for number, _ in burned], np.int64),
            rejected_offset=np.array([offset for _, offset in burned], np.int64),
        )


def _narrow(pending: _Pending) -> list[_Pending]:
    """Halve what would become a wide and nearly empty table."""
    if len(pending.events) < 2 or not hasattr(pending.events[0], "features"):
        return [pending]
    size = values = names = 0
    for part in ("features", "scores", "segment"):
        objects = [getattr(event, part) for event in pending.events]
        size = len(objects)
        values += sum(map(len, objects))
        # Most events of a model name the same things in the same order.
        shapes = set(map(tuple, objects))
        names += len(set(chain.from_iterable(shapes)))
    if size * names <= max(_CELLS_A_VALUE * values, _CELLS_AT_LEAST):
        return [pending]
    return _narrow(_slice(pending, 0, size // 2)) + _narrow(_slice(pending, size // 2, size))


def _slice(pending: _Pending, start: int, end: int) -> _Pending:
    def cut(values: Sequence[Any]) -> list[Any]:
        return list(values[start:end])

    return _Pending(cut(pending.events), cut(pending.records), cut(pending.seq))
