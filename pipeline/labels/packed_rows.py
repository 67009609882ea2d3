"""Kept rows as bytes of equal length, and back; without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferwatch.errors import StateFormatError
from pipeline.columns import Ints
from pipeline.labels.kept import KeptRows
from pipeline.labels.score_bits import lengthen, shorten
from pipeline.labels.shape import NAME_BYTES, Shape, name_of

FORMAT = 1
"""First byte of every row. An older one is read, a newer one ends the worker with exit code 2."""

_ZERO = 2**47

Bytes = NDArray[np.uint8]


def pack_rows(kept: KeptRows, shape_name: bytes) -> Bytes:
    """The rows as a matrix of bytes: (rows, bytes a row)."""
    packed: NDArray[Any] = np.zeros(len(kept.ids), kept.shape.dtype)
    packed["format"] = FORMAT
    packed["name"] = np.void(shape_name)
    for field, values in (("ts", kept.ts), ("offset", kept.offset)):
        packed[field] = values if kept.shape.wide else _narrow(values)
    packed["row"] = kept.row
    if kept.shape.text is None:
        packed["number"] = kept.numbers
    if kept.shape.scores:
        packed["scores"] = kept.scores if kept.shape.wide else shorten(kept.scores)
    if kept.shape.segments:
        names = [name_of(text.encode()) for text in kept.segment_texts]
        table = np.frombuffer(b"".join(names), f"V{NAME_BYTES}")
        packed["segments"] = table[kept.segments]
    return packed.view(np.uint8).reshape(len(packed), kept.shape.dtype.itemsize)


def shape_names(rows: Bytes) -> list[bytes]:
    """The names of the shapes of packed rows, each once.

    Raises:
        StateFormatError: a newer version wrote a row.
    """
    newest = int(rows[:, 0].max(initial=FORMAT))
    if newest > FORMAT:
        raise StateFormatError(
            f"a kept prediction in Redis has format {newest}, this version reads up to {FORMAT}: "
            "run the version that wrote it, or flush this prefix and let it be rebuilt"
        )
    names = np.ascontiguousarray(rows[:, 1 : 1 + NAME_BYTES]).view(f"V{NAME_BYTES}").ravel()
    return [bytes(name) for name in np.unique(names)]


def of_shape(rows: Bytes, name: bytes) -> Ints:
    """The places of the rows that name this shape."""
    return np.flatnonzero((rows[:, 1 : 1 + NAME_BYTES] == np.frombuffer(name, np.uint8)).all(1))


def segment_names(rows: Bytes, shape: Shape) -> tuple[list[bytes], Ints, Ints]:
    """The names of the segments of rows of one shape: each once, a row that has it, and who has it.

    The last is (rows, segments), places in the names.
    """
    if not shape.segments:
        return [], np.empty(0, np.int64), np.empty((len(rows), 0), np.int64)
    table = _view(rows, shape)["segments"].ravel()
    names, at, places = np.unique(table, return_index=True, return_inverse=True)
    return [bytes(name) for name in names], at // shape.segments, places.reshape(len(rows), -1)


def unpack_rows(
    rows: Bytes, shape: Shape, ids: Sequence[str], texts: Sequence[str], segments: Ints
) -> KeptRows:
    """What was packed, of one shape; `segments` are places in `texts`."""
    packed = _view(rows, shape)
    ts, offset = packed["ts"], packed["offset"]
    scores: NDArray[np.float64] = np.empty((len(packed), 0))
    if shape.scores:
        scores = packed["scores"] if shape.wide else lengthen(packed["scores"])
    return KeptRows(
        shape=shape,
        ids=ids,
        ts=ts if shape.wide else _widen(ts),
        offset=offset if shape.wide else _widen(offset),
        row=packed["row"],
        numbers=packed["number"] if shape.text is None else np.empty(0),
        scores=scores,
        segments=segments,
        segment_texts=texts,
    )


def _view(rows: Bytes, shape: Shape) -> NDArray[Any]:
    whole: NDArray[Any] = np.ascontiguousarray(rows).view(shape.dtype).ravel()
    return whole


def _narrow(values: Ints) -> Bytes:
    """Six bytes a number, little-endian, shifted so that none is negative."""
    raw = (values.astype("<i8") + _ZERO).view(np.uint8)
    return raw.reshape(len(values), 8)[:, :6]


def _widen(raw: Bytes) -> Ints:
    whole = np.zeros((len(raw), 8), np.uint8)
    whole[:, :6] = raw
    return whole.view("<i8").ravel().astype(np.int64) - _ZERO
