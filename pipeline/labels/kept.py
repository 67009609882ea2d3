"""Kept predictions: what a later label needs to know of a prediction, in a compact form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np

from pipeline.columns import Column, Ints, PredictionRows
from pipeline.decode import Chunk
from pipeline.windows.pane import PaneKey
from pipeline.windows.segments import texts_of


@dataclass(frozen=True, slots=True)
class KeptPrediction:
    """One prediction row that has an id.

    Attributes:
        offset, row: where it stood; with its partition, its identity.
        text, number: the prediction as class and as value (NaN where it is no number).
        scores: probability by class; the key "" is the positive class's.
        closed_until: windows up to this end do not take the row (NEVER: all do).
        segments: `key=value` texts that the row belongs to.
    """

    id: str
    offset: int
    row: int
    model: str
    version: str
    ts: int
    text: str
    number: float
    scores: dict[str, float]
    closed_until: int
    segments: tuple[str, ...]

    def pack(self, partition: str) -> bytes:
        """The stored form; `partition` is the source's `topic:number`."""
        return bytes(
            msgpack.packb(
                (
                    f"{partition}:{self.offset}:{self.row}",
                    self.model,
                    self.version,
                    self.ts,
                    self.text,
                    self.number,
                    self.scores,
                    self.closed_until,
                    self.segments,
                )
            )
        )


@dataclass(frozen=True, slots=True)
class FoundPrediction:
    """A kept prediction that a label found; `identity` tells rows of one id apart."""

    identity: str
    model: str
    version: str
    ts: int
    text: str
    number: float
    scores: dict[str, float]
    closed_until: int
    segments: tuple[str, ...]

    @classmethod
    def unpack(cls, data: bytes) -> FoundPrediction:
        """What `KeptPrediction.pack` wrote."""
        identity, model, version, ts, text, number, scores, closed, segments = msgpack.unpackb(data)
        return cls(identity, model, version, ts, text, number, scores, closed, tuple(segments))


def kept_rows(
    chunk: Chunk,
    at: Ints,
    pane: PaneKey,
    closed_until: int,
    segments: Sequence[tuple[str, Ints]],
) -> list[KeptPrediction]:
    """The rows at these positions that have an id, ready to be kept."""
    rows = chunk.rows
    assert isinstance(rows, PredictionRows) and rows.ids is not None
    members: dict[int, list[str]] = {}
    for segment, positions in segments:
        for row in positions.tolist():
            members.setdefault(row, []).append(segment)
    texts = texts_of(rows.prediction.take(at))
    numbers = _numbers(rows.prediction, at)
    scores = {name: _numbers(column, at) for name, column in rows.scores.items()}
    kept = []
    for n, row in enumerate(at.tolist()):
        identity = rows.ids[row]
        text = texts[n]
        if identity is None or text is None:
            continue
        kept.append(
            KeptPrediction(
                identity,
                int(chunk.offset[row]),
                int(chunk.row[row]),
                pane.model,
                pane.version,
                int(rows.ts[row]),
                text,
                numbers[n],
                {name: values[n] for name, values in scores.items() if values[n] == values[n]},
                closed_until,
                tuple(members.get(row, ())),
            )
        )
    return kept


def _numbers(column: Column, at: Ints) -> list[float]:
    """The number of each row, NaN where it holds none."""
    taken = column.take(at)
    if taken.numbers is None:
        return [float("nan")] * len(at)
    values = taken.numbers.astype(np.float64)
    if taken.is_number is not None:
        values = np.where(taken.is_number, values, np.nan)
    result: list[float] = values.tolist()
    return result


def unpack_all(stored: Any) -> list[FoundPrediction]:
    """The rows kept under one id."""
    # Redis' own MessagePack writes byte strings as text: the outer list is read as bytes.
    return [FoundPrediction.unpack(item) for item in msgpack.unpackb(stored, raw=True)]
