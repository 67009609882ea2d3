"""One batch as bytes on disk: two lengths, two check sums, a head, and the payload as it is sent.

The head has a check sum of its own, so that of an entry whose payload is torn it is still known how
many rows it held. All numbers are big-endian.

| bytes | what |
|---|---|
| 4 | length of the head |
| 4 | length of the payload |
| 4 | CRC-32 of both lengths and the head |
| 4 | CRC-32 of the payload |
| n | head: JSON `[origin, partition, seq, rows, key, serial]` |
| m | payload: the Arrow stream |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

import orjson

from inferwatch.events.kinds import Kind
from producers.batching import Batch

_LENGTHS = struct.Struct(">II")
_FIXED = struct.Struct(">IIII")
FIXED_SIZE = _FIXED.size
"""Bytes before the head."""


def encode(batch: Batch) -> bytes:
    """The batch as it stands in a file.

    >>> batch = Batch(Kind.LABEL, 3, 17, 2, b"arrow", None, 5, "sidecar-a")
    >>> sizes = Sizes.decode(encode(batch))
    >>> Head.decode(sizes, encode(batch)[FIXED_SIZE : FIXED_SIZE + sizes.head]).rows
    2
    """
    key = None if batch.key is None else batch.key.decode()
    head = orjson.dumps([batch.origin, batch.partition, batch.seq, batch.rows, key, batch.serial])
    lengths = _LENGTHS.pack(len(head), len(batch.payload))
    fixed = _FIXED.pack(
        len(head), len(batch.payload), crc32(head, crc32(lengths)), crc32(batch.payload)
    )
    return b"".join((fixed, head, batch.payload))


@dataclass(frozen=True, slots=True)
class Sizes:
    """The fixed part of an entry; nothing of it is certain before the head is checked.

    Attributes:
        head: bytes of the head.
        payload: bytes of the payload.
    """

    head: int
    payload: int
    head_crc: int
    payload_crc: int

    @property
    def whole(self) -> int:
        """Bytes of the whole entry."""
        return FIXED_SIZE + self.head + self.payload

    @classmethod
    def decode(cls, data: bytes) -> Sizes:
        """Read the first 16 bytes of an entry."""
        return cls(*_FIXED.unpack_from(data))


@dataclass(frozen=True, slots=True)
class Head:
    """What an entry says about its batch."""

    origin: str
    partition: int
    seq: int
    rows: int
    key: str | None
    serial: int

    @classmethod
    def decode(cls, sizes: Sizes, data: bytes) -> Head | None:
        """Read a head; None where the bytes are not those that were written."""
        if len(data) != sizes.head:
            return None
        if crc32(data, crc32(_LENGTHS.pack(sizes.head, sizes.payload))) != sizes.head_crc:
            return None
        return cls(*orjson.loads(data))

    def batch(self, kind: Kind, payload: bytes) -> Batch:
        """The batch that was written."""
        key = None if self.key is None else self.key.encode()
        return Batch(
            kind, self.partition, self.seq, self.rows, payload, key, self.serial, self.origin
        )


def is_whole(sizes: Sizes, payload: bytes) -> bool:
    """Whether the payload is the one that was written."""
    return len(payload) == sizes.payload and crc32(payload) == sizes.payload_crc
