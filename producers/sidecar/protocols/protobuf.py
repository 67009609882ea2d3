"""Protocol buffers on the wire: fields by number, without a schema."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence

from producers.sidecar.protocols.protocol import UndecodableError

Field = int | bytes
Fields = dict[int, list[Field]]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def read_fields(data: bytes) -> Fields:
    r"""The values of each field in their order: whole numbers, or bytes (fixed widths too).

    Raises:
        UndecodableError: the bytes are no message.

    >>> dict(read_fields(b"\x0a\x02hi\x10\x96\x01"))
    {1: [b'hi'], 2: [150]}
    """
    found: Fields = defaultdict(list)
    at, size = 0, len(data)
    while at < size:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            found[key >> 3].append(value)
            continue
        if kind == _LENGTH:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise UndecodableError("no_message")
        if length > size - at:
            raise UndecodableError("no_message")
        found[key >> 3].append(data[at : at + length])
        at += length
    return found


def text(fields: Fields, number: int) -> str:
    """A text; the last one counts, "" where there is none."""
    value = fields.get(number, [b""])[-1]
    if not isinstance(value, bytes):
        raise UndecodableError("no_message")
    return value.decode("utf-8", "replace")


def messages(fields: Fields, number: int) -> list[bytes]:
    """The bytes of a repeated message, or of repeated bytes."""
    found = [value for value in fields.get(number, ()) if isinstance(value, bytes)]
    if len(found) != len(fields.get(number, ())):
        raise UndecodableError("no_message")
    return found


def integers(values: Sequence[Field], *, signed: bool) -> list[int]:
    r"""Repeated whole numbers, packed or not.

    >>> integers([b"\x01\x02", 3], signed=True), integers([2**64 - 1], signed=True)
    ([1, 2, 3], [-1])
    """
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            found.append(number)
    return [n - 2**64 if n >= 2**63 else n for n in found] if signed else found


def floats(values: Sequence[Field], code: str) -> list[float]:
    """Repeated `f` (32 bits) or `d` (64 bits), packed or not."""
    packed = b"".join(value for value in values if isinstance(value, bytes))
    width = struct.calcsize("<" + code)
    if len(packed) % width:
        raise UndecodableError("no_message")
    return list(struct.unpack(f"<{len(packed) // width}{code}", packed))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise UndecodableError("no_message")
