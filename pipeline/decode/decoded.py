"""What decoding yields: rows in chunks, and dead letters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.deadletter import DeadLetter
from pipeline.columns import Ints, LabelRows, LatencyRows, PredictionRows, ResourceRows

Rows = PredictionRows | LatencyRows | ResourceRows | LabelRows


def _no_numbers() -> Ints:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows of one partition and one origin (or of none), in the order of the log.

    A chunk of predictions holds one model, so that its features are those that this model's rows
    name. It may hold no row at all, when it only tells rejected numbers.

    Attributes:
        rows: the rows that count; `rows.seq` is -1 for a row without a number.
        partition: of the input topic.
        offset: shape (n,); the record of each row, never falling.
        row: shape (n,); its place inside the record, so that (offset, row) is the log's order.
        record_ts: shape (n,); Kafka's timestamp of that record.
        origin: who numbered the rows; None when nobody says.
        sparse: holes in the numbers mean nothing.
        rejected_seq: numbers of rows that became dead letters: used, and no holes.
        rejected_offset: the record of each of them.
    """

    rows: Rows
    partition: int
    offset: Ints
    row: NDArray[np.int32]
    record_ts: Ints
    origin: str | None
    sparse: bool
    rejected_seq: Ints = field(default_factory=_no_numbers)
    rejected_offset: Ints = field(default_factory=_no_numbers)


@dataclass(frozen=True, slots=True)
class Decoded:
    """All of some records: what counts, and what does not, by offset and row."""

    chunks: list[Chunk]
    rejected: list[DeadLetter]
