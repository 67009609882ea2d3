"""What many kept predictions have in common, stored once for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgpack
import numpy as np

NAME_BYTES = 6
"""Of a shape's or a segment's name in a row: a digest, so that writers need not agree on numbers.
A million different ones have a chance of 1 in 560 that any two of them are taken for each other."""

ID_BYTES = 12
"""Of an id's digest: a billion kept ids and as many labels meet by mistake once in 10^11 years."""


@dataclass(frozen=True)
class Shape:
    """All of a kept prediction but its own times, numbers and segments.

    Attributes:
        model, version: whose prediction it is.
        text: the class; None where each row holds a number of its own.
        number: the class as a number, NaN where it is none.
        closed_until: windows up to this end do not take the rows (NEVER: all do).
        scores: the names of the scores that each row holds.
        segments: to how many `key=value` texts each row belongs.
        wide: whether whole 8-byte numbers are kept of times, places and scores.
    """

    model: str
    version: str
    text: str | None
    number: float
    closed_until: int
    scores: tuple[str, ...]
    segments: int
    wide: bool

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """How a row lies in memory and in Redis: packed, little-endian.

        >>> Shape("m", "7", "yes", float("nan"), 0, ("no", "yes"), 1, False).dtype.itemsize
        35
        """
        fields: list[Any] = [("name", f"V{NAME_BYTES}")]
        if self.wide:
            fields += [("ts", "<i8"), ("offset", "<i8"), ("row", "<i8")]
        else:
            fields += [("ts", "u1", 6), ("offset", "u1", 6), ("row", "<u2")]
        if self.text is None:
            fields.append(("number", "<f8"))
        if self.scores:
            fields.append(("scores", "<f8" if self.wide else "<f4", len(self.scores)))
        if self.segments:
            fields.append(("segments", f"V{NAME_BYTES}", self.segments))
        return np.dtype([("format", "u1"), *fields])

    def pack(self, source: str) -> bytes:
        """What is stored of it; `source` is the rows' own `topic:number`."""
        mine = (self.model, self.version, self.text, self.number, self.closed_until)
        packed: bytes = msgpack.packb((source, *mine, self.scores, self.segments, self.wide))
        return packed

    @classmethod
    def unpack(cls, data: bytes) -> tuple[str, Shape]:
        """The source and the shape that `pack` wrote."""
        source, model, version, text, number, closed, scores, segments, wide = msgpack.unpackb(data)
        shape = cls(model, version, text, number, closed, tuple(scores), segments, wide)
        return source, shape


def name_of(stored: bytes) -> bytes:
    """How a row names a stored shape or the text of a segment."""
    return hashlib.blake2b(stored, digest_size=NAME_BYTES).digest()


def id_digests(ids: Sequence[str]) -> bytes:
    """12 bytes an id, one behind the other; 0.4 µs each."""
    blake2b = hashlib.blake2b
    return b"".join([blake2b(one.encode(), digest_size=ID_BYTES).digest() for one in ids])
