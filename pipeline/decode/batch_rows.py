"""The rows of one columnar batch to chunks: of a record's batch and of a table's part alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.kinds import ORIGIN
from pipeline.columns import Ints, PredictionRows
from pipeline.decode.arrow_column import to_column
from pipeline.decode.arrow_fields import Fields
from pipeline.decode.column_values import as_texts
from pipeline.decode.decoded import Chunk, Rows
from pipeline.decode.faults import Faults
from pipeline.decode.kind_readers import KindReader
from pipeline.decode.take import by_model, take


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where each row stands in the log, shape (n,) each, and what all rows of a batch share.

    Attributes:
        origin: by header or metadata; without it a column may tell each row's.
        first: the number of the first row of each row's record, -1 where it has none; None where
            no record has one.
    """

    partition: int
    offset: Ints
    row: NDArray[np.int32]
    record_ts: Ints
    origin: str | None = None
    sparse: bool = False
    first: Ints | None = None


def chunks_of(
    reader: KindReader, fields: Fields, place: Place, future: int, faults: Faults
) -> list[Chunk]:
    """The good rows in chunks; the bad ones are noted in `faults`, and their numbers burned."""
    rows = reader.batch(fields, place.record_ts + future, faults)
    seq = rows.seq
    if seq is None and place.first is not None:
        seq = np.where(place.first < 0, -1, place.first + place.row)
    return [
        chunk
        for origin, at in _by_origin(place.origin, fields)
        for chunk in _chunks(rows, place, origin, None if origin is None else seq, at, faults)
    ]


def _chunks(
    rows: Rows, place: Place, origin: str | None, seq: Ints | None, at: Ints | None, faults: Faults
) -> Iterator[Chunk]:
    """The chunks of one origin: `at` are its rows, None for all of them."""
    rows = replace(rows, seq=seq)
    mine = np.arange(rows.size) if at is None else at
    rejected = np.empty(0, np.int64)
    if faults.by_row:
        bad = np.isin(mine, list(faults.by_row))
        if seq is not None:
            rejected = mine[bad]
            rejected = rejected[seq[rejected] >= 0]
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
            rejected_seq=rejected if seq is None else seq[rejected],
            rejected_offset=place.offset[rejected],
        )
        rejected = np.empty(0, np.int64)


def _by_origin(origin: str | None, fields: Fields) -> list[tuple[str | None, Ints | None]]:
    """The origins of a batch and their rows: by header or metadata one, else by the column."""
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
