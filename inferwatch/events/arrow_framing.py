"""The frame of an Arrow IPC stream: how large it will become, told before anything is allocated.

A stream is a series of messages: 0xFFFFFFFF, the length of the metadata (int32), the metadata (a
flatbuffer), the body. The metadata say how many rows there are and where each buffer lies; a
compressed buffer begins with its length once unpacked. A kilobyte can claim to be a terabyte, so
the claims are added up here; whether they are true is for the reader to check.
Source: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import error as StructError
from struct import unpack, unpack_from

from inferwatch.errors import RejectedEventError
from inferwatch.events.kinds import MAX_BATCH_ROWS

MAGIC = b"\xff\xff\xff\xff"

_SCHEMA, _DICTIONARY, _RECORD_BATCH = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Frame:
    """What a stream of one record batch claims to hold.

    Attributes:
        schema: its schema message; equal bytes are equal schemas.
        rows: of the record batch.
        columns: leaf columns (field nodes) of the record batch.
        expanded: bytes of all buffers once unpacked; a buffer that is used twice counts twice.
    """

    schema: bytes
    rows: int
    columns: int
    expanded: int


def read_frame(data: bytes) -> Frame:
    """Walk the messages of a stream; about 10 µs.

    Raises:
        RejectedEventError: `malformed`: no stream, not exactly one record batch, or not 1 to
            65,536 rows.
    """
    try:
        return _walk(data)
    except (StructError, IndexError):
        raise _malformed("its Arrow stream is cut off or damaged") from None


def _walk(data: bytes) -> Frame:
    schema = b""
    batch: tuple[int, int] | None = None
    expanded = position = 0
    while position < len(data):
        mark, length = unpack_from("<4si", data, position)
        if mark != MAGIC:
            raise _malformed("no Arrow stream message begins where one should")
        if length == 0:
            break  # the end-of-stream mark
        start = position + 8
        if length < 0 or start + length > len(data):
            raise _malformed("its Arrow stream is cut off")
        message = _Table.root(data, start)
        kind = message.number(1, "<B")
        body_length = message.number(3, "<q")
        body = start + length
        if body_length < 0 or body + body_length > len(data):
            raise _malformed("its Arrow stream is cut off")
        header = message.table(2)
        if header is None:
            raise _malformed("an Arrow message has no header")
        if kind == _SCHEMA:
            schema = schema or data[position:body]
        elif kind == _DICTIONARY:
            values = header.table(1)
            if values is not None:
                expanded += _expanded(values, data[body : body + body_length])
        elif kind == _RECORD_BATCH:
            if batch is not None:
                raise _malformed("it holds more than one record batch")
            batch = (header.number(0, "<q"), header.vector(1)[1])
            expanded += _expanded(header, data[body : body + body_length])
        position = body + body_length
    if not schema or batch is None:
        raise _malformed("its Arrow stream holds no record batch")
    rows, columns = batch
    if not 1 <= rows <= MAX_BATCH_ROWS:
        raise _malformed(f"it holds {rows} rows; 1 to {MAX_BATCH_ROWS} are allowed")
    return Frame(schema, rows, columns, expanded)


def _expanded(batch: _Table, body: bytes) -> int:
    start, count = batch.vector(2)
    numbers = unpack(f"<{2 * count}q", batch.data[start : start + 16 * count])
    lengths = numbers[1::2]
    if min(numbers, default=0) < 0:
        raise _malformed("an Arrow buffer has a negative place or length")
    if batch.table(3) is None:
        return sum(lengths)
    total = 0
    for place, length in zip(numbers[::2], lengths, strict=True):
        if length:
            claimed: int = unpack_from("<q", body, place)[0]
            if claimed < -1:
                raise _malformed("a compressed Arrow buffer has a negative length")
            total += length if claimed == -1 else claimed
    return total


@dataclass(frozen=True, slots=True)
class _Table:
    """A flatbuffer table: its fields' places are in a vtable that stands `at - int32(at)`."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes, start: int) -> _Table:
        return cls(data, start + unpack_from("<I", data, start)[0])

    def _field(self, index: int) -> int | None:
        vtable = self.at - unpack_from("<i", self.data, self.at)[0]
        if vtable < 0 or 4 + 2 * index >= unpack_from("<H", self.data, vtable)[0]:
            return None
        offset: int = unpack_from("<H", self.data, vtable + 4 + 2 * index)[0]
        return self.at + offset if offset else None

    def number(self, index: int, layout: str) -> int:
        place = self._field(index)
        return 0 if place is None else unpack_from(layout, self.data, place)[0]

    def table(self, index: int) -> _Table | None:
        place = self._field(index)
        return None if place is None else _Table.root(self.data, place)

    def vector(self, index: int) -> tuple[int, int]:
        """Where its elements begin, and how many there are."""
        place = self._field(index)
        if place is None:
            return 0, 0
        start: int = place + unpack_from("<I", self.data, place)[0]
        return start + 4, unpack_from("<I", self.data, start)[0]


def _malformed(detail: str) -> RejectedEventError:
    return RejectedEventError("malformed", "", detail)
