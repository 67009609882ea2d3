"""One window's measures as a binary row, and the names that say what its columns are.

A row is `>BHII` (format, log generation, revision, schema), then little-endian doubles, NaN where a
measure is absent. The schema is the CRC of the names, so that a row cannot be read with the wrong
ones. A row of 100 measures takes 811 bytes.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from consumers.dashboard.format import FORMAT, check_format

_HEADER = struct.Struct(">BHII")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which of two results of one window counts: the larger.

    Attributes:
        generation: of the log; a log that began anew (an embedded broker) counts revisions
            from 0 again, and they must still win over the old ones.
        revision: the result's own.
    """

    generation: int
    revision: int

    def beats(self, other: Stamp) -> bool:
        """Whether this result replaces the other; an equal one is the same result again.

        >>> Stamp(1, 0).beats(Stamp(0, 7)), Stamp(0, 1).beats(Stamp(0, 1))
        (True, False)
        """
        return (self.generation, self.revision) > (other.generation, other.revision)


@dataclass(frozen=True, slots=True)
class Schema:
    """The names of a row's columns, in order.

    >>> names = Schema(("rows",)).grown(["latency.p95_ms", "rows"])
    >>> names.names
    ('rows', 'latency.p95_ms')
    >>> Schema.decode(names.encode()) == names
    True
    """

    names: tuple[str, ...]

    def grown(self, names: Sequence[str]) -> Schema:
        """With the names that it lacks at the end; itself when it lacks none."""
        known = set(self.names)
        new = tuple(name for name in names if name not in known)
        return Schema(self.names + new) if new else self

    @property
    def checksum(self) -> int:
        """What a row refers to this schema by."""
        return zlib.crc32(orjson.dumps(self.names))

    def encode(self) -> bytes:
        """For storage."""
        return bytes([FORMAT]) + zlib.compress(orjson.dumps(self.names), 1)

    @classmethod
    def decode(cls, data: bytes) -> Schema:
        """What `encode` wrote."""
        return cls(tuple(orjson.loads(zlib.decompress(check_format(data, "a dashboard schema")))))


def encode_row(stamp: Stamp, schema: Schema, values: Mapping[str, float]) -> bytes:
    """The row of `values`, whose names are all in `schema`.

    >>> schema = Schema(("rows", "lost"))
    >>> decode_row(encode_row(Stamp(0, 3), schema, {"rows": 5.0}))[2].tolist()
    [5.0, nan]
    """
    doubles = array("d", [values.get(name, math.nan) for name in schema.names])
    return (
        _HEADER.pack(FORMAT, stamp.generation, stamp.revision, schema.checksum)
        + _little_endian(doubles).tobytes()
    )


def decode_row(data: bytes) -> tuple[Stamp, int, array[float]]:
    """Its stamp, the checksum of its schema, and its columns."""
    check_format(data, "a dashboard row")
    _, generation, revision, schema = _HEADER.unpack_from(data)
    doubles = array("d")
    doubles.frombytes(data[_HEADER.size :])
    return Stamp(generation, revision), schema, _little_endian(doubles)


def _little_endian(doubles: array[float]) -> array[float]:
    if sys.byteorder == "big":
        doubles.byteswap()
    return doubles
