"""Rows on their way to one topic: gathered, numbered and written as columnar batches.

Numbers count from 0 per origin, topic and partition. A row gets its number when its batch is
made; a row that is dropped before that uses one up, so that a hole in the numbers is exactly the
count of what was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from kafka.partitioner.default import murmur2

from inferwatch.errors import RejectedEventError
from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import Kind
from inferwatch.events.label import Label
from inferwatch.events.prediction import Prediction
from inferwatch.settings.sidecar import BatchSettings
from producers.sink import Event

# Bytes of Python objects, measured: a slotted record, a dictionary, a boxed float an entry.
_ROW_BYTES = {Kind.PREDICTION: 600, Kind.LATENCY: 500, Kind.RESOURCE: 600, Kind.LABEL: 250}
_ENTRY_BYTES = 100
# Such objects become about an eighth of that in columns.
_SHRINKS = 8


def size_in_memory(kind: Kind, rows: Sequence[Event]) -> int:
    """Roughly what the rows take as Python objects.

    >>> size_in_memory(Kind.LABEL, [Label(id="a", ts=0, label="x")])
    250
    """
    size = _ROW_BYTES[kind] * len(rows)
    if kind is Kind.PREDICTION:
        for row in cast(Sequence[Prediction], rows):
            size += _ENTRY_BYTES * (len(row.features) + len(row.scores))
            size += sum(len(v) for v in row.features.values() if isinstance(v, str))
    return size


def partition_of(label_id: str, partitions: int) -> int:
    """The partition of an id, as Kafka's own clients choose it from a key.

    >>> partition_of("flight-17", 4) == partition_of("flight-17", 4)
    True
    """
    return int(murmur2(label_id.encode()) & 0x7FFFFFFF) % partitions


@dataclass(slots=True)
class Batch:
    """One record of Kafka, ready to be sent, and sent again until the broker has it.

    Attributes:
        seq: number of its first row.
        serial: its place in the order of making.
        origin: who numbered its rows; not this process where it comes from the spool.
    """

    kind: Kind
    partition: int
    seq: int
    rows: int
    payload: bytes
    key: bytes | None
    serial: int
    origin: str

    @property
    def size(self) -> int:
        """Bytes it takes in memory."""
        return len(self.payload) + 300


@dataclass(slots=True)
class Drop:
    """Rows that could not be written."""

    rows: int
    reason: str


@dataclass(slots=True)
class Lane:
    """The rows of one topic; not thread-safe, its publisher holds a lock.

    Attributes:
        event_bytes: what the worker takes at most as one record (`limits.event_bytes`).
    """

    kind: Kind
    origin: str
    limits: BatchSettings
    event_bytes: int = 2**20
    rows: list[Event] = field(default_factory=list)
    size: int = 0
    since: float | None = None
    _next: dict[int, int] = field(default_factory=dict)
    _turn: int = 0
    _serial: int = 0

    def add(self, rows: Iterable[Event], size: int, now: float) -> None:
        """Gather rows that take `size` bytes."""
        self.rows.extend(rows)
        self.size += size
        if self.since is None:
            self.since = now

    def burn(self, rows: int, partitions: int | None) -> None:
        """Use up numbers of rows that will never come, in the partition that is next."""
        partition = self._turn % (partitions or 1)
        self._next[partition] = self._next.get(partition, 0) + rows

    def due_at(self) -> float | None:
        """When the gathered rows are to be sent (monotonic seconds), None when there are none."""
        if self.since is None:
            return None
        full = len(self.rows) >= self.limits.rows or self.size >= self.limits.bytes * _SHRINKS
        return 0.0 if full else self.since + self.limits.every / 1000

    def needs_partitions(self) -> bool:
        """Whether a row's partition depends on how many there are: an id stays in its own."""
        return self.kind is Kind.LABEL

    def close(self, partitions: int | None) -> tuple[list[Batch | Drop], int]:
        """The gathered rows as batches, and the bytes that they took as rows.

        As long as the number of partitions is unknown, all go to the first: it always exists.
        """
        rows, size = self.rows, self.size
        self.rows, self.size, self.since = [], 0, None
        made: list[Batch | Drop] = []
        for at in range(0, len(rows), self.limits.rows):
            for partition, part in self._split(rows[at : at + self.limits.rows], partitions or 1):
                made.extend(self._write(part, partition))
        return made, size

    def _split(self, rows: list[Event], partitions: int) -> Iterator[tuple[int, list[Event]]]:
        if not self.needs_partitions():
            yield self._turn % partitions, rows
            self._turn += 1
            return
        parts: dict[int, list[Event]] = {}
        for row in rows:
            parts.setdefault(partition_of(cast(Label, row).id, partitions), []).append(row)
        yield from parts.items()

    def _write(self, rows: list[Event], partition: int) -> Iterator[Batch | Drop]:
        try:
            payload = write_batch(self.kind, rows, origin=self.origin)
        except (RejectedEventError, OverflowError, ValueError):
            if len(rows) == 1:
                self._number(partition, 1)
                yield Drop(1, "malformed")
                return
            payload = b""
        if len(rows) == 1 and len(payload) > self.event_bytes:
            # The worker would not take it.
            self._number(partition, 1)
            yield Drop(1, "oversized")
            return
        most = min(self.limits.bytes, self.event_bytes)
        if (len(payload) > most or not payload) and len(rows) > 1:
            # Too large, or one bad row among good ones: halves find the place.
            middle = len(rows) // 2
            yield from self._write(rows[:middle], partition)
            yield from self._write(rows[middle:], partition)
            return
        self._serial += 1
        yield Batch(
            self.kind,
            partition,
            self._number(partition, len(rows)),
            len(rows),
            payload,
            self._key(rows),
            self._serial,
            self.origin,
        )

    def _number(self, partition: int, rows: int) -> int:
        first = self._next.get(partition, 0)
        self._next[partition] = first + rows
        return first

    def _key(self, rows: Sequence[Event]) -> bytes | None:
        if not self.needs_partitions():
            return self.origin.encode()
        # Labels are keyed by id; a batch of several has no key, its partition says enough.
        ids = {cast(Label, row).id for row in rows}
        return ids.pop().encode() if len(ids) == 1 else None
