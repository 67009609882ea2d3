"""Kept predictions: what a later label needs to know of a prediction, in columns.

A batch of rows is kept without an object a row. What rows have in common (model, version, class,
names of scores) is their `Shape`; each row has its id, time, place, scores and segments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.canonical import number_text
from pipeline.columns import Column, Floats, Ints, Mask, PredictionRows
from pipeline.decode import Chunk
from pipeline.labels.score_bits import lengthen, needs_all_bits, shorten
from pipeline.labels.shape import Shape
from pipeline.windows.pane import PaneKey

NARROW = 2**46
"""Times and offsets below this need 6 bytes (event times until the year 4199)."""

CLASS_NUMBERS = 16
"""Whole numbers from 0 up to this are taken for classes, which rows share."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """Prediction rows of one shape that have an id.

    Attributes:
        shape: what the rows have in common.
        ids: of each row.
        ts, offset, row: when it was, and where it stood in its partition.
        numbers: the prediction, where the shape has none.
        scores: (rows, scores), as a label will see them.
        segments: (rows, segments), places in `segment_texts`.
    """

    shape: Shape
    ids: Sequence[str]
    ts: Ints
    offset: Ints
    row: Ints
    numbers: NDArray[np.float64]
    scores: NDArray[np.float64]
    segments: Ints
    segment_texts: Sequence[str]

    def found(self, source: str) -> Iterator[tuple[str, FoundPrediction]]:
        """Each row's id, and the row as a label finds it; `source` is `topic:number`."""
        identities = [
            f"{source}:{offset}:{row}"
            for offset, row in zip(self.offset.tolist(), self.row.tolist(), strict=True)
        ]
        rows = map(FoundPrediction, identities, self.ts.tolist(), repeat(self), range(len(self.ts)))
        return zip(self.ids, rows, strict=True)


class FoundPrediction(NamedTuple):
    """A kept prediction that a label found: a place in the rows it was found with.

    Attributes:
        identity: `topic:partition:offset:row`, tells rows of one id apart.
        ts: its event time.
    """

    identity: str
    ts: int
    rows: KeptRows
    place: int

    @property
    def model(self) -> str:
        """Whose prediction it is."""
        return self.rows.shape.model

    @property
    def number(self) -> float:
        """The prediction as a value, NaN where it is none."""
        shape = self.rows.shape
        return shape.number if shape.text is not None else float(self.rows.numbers[self.place])

    @property
    def text(self) -> str:
        """The prediction as a class."""
        text = self.rows.shape.text
        return number_text(self.number) if text is None else text

    @property
    def scores(self) -> dict[str, float]:
        """Probability by class; the key "" is the positive class's."""
        scores = self.rows.scores[self.place].tolist()
        return dict(zip(self.rows.shape.scores, scores, strict=True))

    @property
    def segments(self) -> tuple[str, ...]:
        """The `key=value` texts that it belongs to."""
        places = self.rows.segments[self.place].tolist()
        return tuple(self.rows.segment_texts[n] for n in places)


def kept_rows(
    chunk: Chunk,
    at: Ints,
    pane: PaneKey,
    closed_until: int,
    segments: Sequence[tuple[str, Ints]],
) -> list[KeptRows]:
    """The rows at these positions that have a prediction, by shape; all of them have an id."""
    rows = chunk.rows
    assert isinstance(rows, PredictionRows) and rows.ids is not None
    at = at[_answered(rows.prediction.take(at))]
    classes, answers = _classes(rows.prediction.take(at))
    names = list(rows.scores)
    scores = np.empty((len(at), len(names)))
    for n, column in enumerate(rows.scores.values()):
        scores[:, n] = column.take(at).doubles()
    here = ~np.isnan(scores)
    ts, offset, row = rows.ts[at], chunk.offset[at], chunk.row[at].astype(np.int64)
    wide = (needs_all_bits(scores) & here).any(axis=1)
    wide |= (np.abs(ts) >= NARROW) | (offset >= NARROW) | (row > 0xFFFF)
    places, belongs = _segments(rows.size, at, segments)
    kept = []
    for mine in alike(classes, wide, belongs, here):
        first = mine[0]
        named = np.flatnonzero(here[first])
        text, number = answers[classes[first]]
        shape = Shape(
            model=pane.model,
            version=pane.version,
            text=text,
            number=number,
            closed_until=closed_until,
            scores=tuple(names[n] for n in named.tolist()),
            segments=int(belongs[first]),
            wide=bool(wide[first]),
        )
        own = scores[np.ix_(mine, named)]
        kept.append(
            KeptRows(
                shape=shape,
                ids=[str(rows.ids[n]) for n in at[mine].tolist()],
                ts=ts[mine],
                offset=offset[mine],
                row=row[mine],
                numbers=rows.prediction.take(at[mine]).doubles() if text is None else np.empty(0),
                scores=own if shape.wide else lengthen(shorten(own)),
                segments=places[mine, : shape.segments],
                segment_texts=[text for text, _ in segments],
            )
        )
    return kept


def _answered(prediction: Column) -> Mask:
    """The rows that hold a class or a number: others nothing can be compared with."""
    answered = ~prediction.missing()
    return answered if prediction.odd is None else answered & ~prediction.odd


def _classes(prediction: Column) -> tuple[Ints, list[tuple[str | None, float]]]:
    """The class of each row, as a place in the list: its text and number; None: a number's own."""
    answers: list[tuple[str | None, float]] = [(text, float("nan")) for text in prediction.texts]
    codes = np.zeros(prediction.size, np.int64)
    if prediction.codes is not None:
        codes[:] = prediction.codes
    if prediction.numbers is not None:
        values = prediction.doubles()
        is_number = (
            np.ones(prediction.size, np.bool_)
            if prediction.is_number is None
            else prediction.is_number
        )
        with np.errstate(invalid="ignore"):
            few = (values >= 0) & (values < CLASS_NUMBERS) & (values == np.floor(values))
        few &= ~np.signbit(values)
        first = len(answers)
        answers += [(number_text(float(n)), float(n)) for n in range(CLASS_NUMBERS)]
        answers.append((None, float("nan")))
        own = first + np.where(few, np.nan_to_num(values), CLASS_NUMBERS).astype(np.int64)
        codes = np.where(is_number, own, codes)
    return codes, answers


def _segments(size: int, at: Ints, segments: Sequence[tuple[str, Ints]]) -> tuple[Ints, Ints]:
    """For each row: the segments it belongs to, first to last, and how many these are."""
    belongs = np.zeros(size, np.int64)
    for _, positions in segments:
        belongs[positions] += 1
    places = np.zeros((size, int(belongs.max(initial=0))), np.int64)
    filled = np.zeros(size, np.int64)
    for n, (_, positions) in enumerate(segments):
        places[positions, filled[positions]] = n
        filled[positions] += 1
    return places[at], belongs[at]


def alike(*columns: Ints | Mask | Floats) -> Iterator[Ints]:
    """The positions of rows that are equal in all columns, group by group."""
    flat = [column.reshape(len(column), -1) for column in columns]
    table = np.concatenate([column.astype(np.int64) for column in flat], axis=1)
    if not len(table):
        return
    if (table == table[0]).all():
        yield np.arange(len(table))
        return
    changing = table[:, (table != table[0]).any(axis=0)]
    order = np.lexsort(changing.T)
    ordered = changing[order]
    cuts = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
    yield from np.split(order, cuts)
