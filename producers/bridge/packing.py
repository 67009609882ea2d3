"""Rows to the records that carry them: where each goes, and how large one may be."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from inferwatch.errors import RejectedEventError
from inferwatch.events.kinds import ARROW_STREAM, CONTENT_TYPE, ORIGIN, SEQ, SPARSE, Kind
from producers.batching import partition_of
from producers.bridge.parsing import Rejected
from producers.bridge.table import Table

Headers = list[tuple[str, bytes]]

MOST_ROWS = 2048
# Of `limits.event_bytes`; the rest is room for rows that are larger than those before.
_SHARE = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """One record to be sent.

    Attributes:
        partition: None leaves the choice to the key.
        table: the rows in it, so that it can be divided; None for a dead letter.
    """

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes
    headers: Headers
    table: Table | None = None

    @property
    def rows(self) -> int:
        """How many rows it carries."""
        return 0 if self.table is None else self.table.size


@dataclass(slots=True)
class Packer:
    """Packs the rows of one source partition.

    Guarantee: rows of one destination partition come in the order of their numbers, which is what
    lets a worker tell a repeated row from a new one. Rows other than labels all have one
    destination partition; labels go where the sidecar sends theirs, by the hash of the id.

    Attributes:
        topic: the destination, `inference.*` with its prefix.
        partitions: how many it has.
        event_bytes: `limits.event_bytes`.
        rows: how many rows are to be packed together next; follows the size of the last ones.
    """

    kind: Kind
    source: str
    number: int
    topic: str
    partitions: int
    event_bytes: int
    rows: int = MOST_ROWS
    _headers: Headers = field(init=False)
    _limit: int = field(init=False)

    def __post_init__(self) -> None:
        """Write the headers once."""
        self._limit = int(self.event_bytes * _SHARE)
        self._headers = [
            (CONTENT_TYPE, ARROW_STREAM.encode()),
            (ORIGIN, f"{self.source}/{self.number}".encode()),
            (SPARSE, b"1"),
        ]

    @property
    def home(self) -> int:
        """The destination partition of all rows that are no labels.

        >>> Packer(Kind.LATENCY, "a", 1, "t", 4, 2**20).home
        0
        >>> Packer(Kind.LATENCY, "a", 2, "t", 4, 2**20).home
        1
        """
        return (zlib.crc32(self.source.encode()) + self.number) % self.partitions

    def pack(self, table: Table) -> Iterator[Parcel | Rejected]:
        """The records that carry these rows; a row that fits into none is rejected."""
        if not table.size:
            return
        if self.kind is not Kind.LABEL:
            yield from self._fit(table, self.home)
            return
        by_partition: dict[int, list[int]] = {}
        for row, label_id in enumerate(table.columns["id"][1]):
            by_partition.setdefault(partition_of(label_id, self.partitions), []).append(row)
        for partition, rows in by_partition.items():
            yield from self._fit(table.take(rows), partition)

    def divide(self, parcel: Parcel) -> list[Parcel | Rejected]:
        """What takes the place of a record that the broker found too large."""
        table = parcel.table
        assert table is not None and parcel.partition is not None, "only rows are large"
        if table.size == 1:
            return [_too_large(table, len(parcel.value))]
        self._limit = max(1, min(self._limit, len(parcel.value) // 2))
        return self._halves(table, parcel.partition)

    def _fit(self, table: Table, partition: int) -> Iterator[Parcel | Rejected]:
        try:
            value = table.write()
        except RejectedEventError as error:
            if table.size > 1:
                yield from self._halves(table, partition)
            else:
                yield Rejected(table.seq[0], table.values[0], error)
            return
        limit = self.event_bytes if table.size == 1 else self._limit
        if len(value) > limit:
            if table.size > 1:
                yield from self._halves(table, partition)
            else:
                yield _too_large(table, len(value))
            return
        if self.kind is not Kind.LABEL:
            self.rows = max(1, min(MOST_ROWS, self._limit * table.size // len(value)))
        key: bytes | None = self._headers[1][1]
        if self.kind is Kind.LABEL:
            # Keyed by the id, where there is one; the partition says enough of several.
            label_ids = table.columns["id"][1]
            key = label_ids[0].encode() if len(set(label_ids)) == 1 else None
        headers = [*self._headers, (SEQ, b"%d" % table.seq[0])]
        yield Parcel(self.topic, partition, key, value, headers, table)

    def _halves(self, table: Table, partition: int) -> list[Parcel | Rejected]:
        middle = table.size // 2
        return [
            *self._fit(table.slice(0, middle), partition),
            *self._fit(table.slice(middle, table.size), partition),
        ]


def _too_large(table: Table, size: int) -> Rejected:
    error = RejectedEventError("oversized", "", f"{size} bytes in columns, more than one may have")
    return Rejected(table.seq[0], table.values[0], error)
