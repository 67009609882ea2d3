"""Pairs of a label and a prediction, sorted into the panes that count them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.canonical import number_text
from pipeline.columns import Column, Ints
from pipeline.labels.kept import FoundPrediction, KeptRows, alike
from pipeline.labels.record import Said
from pipeline.windows.pane import PaneKey


@dataclass(frozen=True, slots=True)
class PairColumns:
    """Pairs of one model with one sign, in columns.

    Attributes:
        actual, predicted: classes, as text columns without missing rows.
        actual_number, predicted_number: the same as values, NaN where they are none.
        scores: by class, NaN where a row has none; classes that no row has are left out.
        delay: from prediction to label, milliseconds of event time.
    """

    sign: int
    actual: Column
    predicted: Column
    actual_number: NDArray[np.float64]
    predicted_number: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    delay: NDArray[np.float64]

    def take(self, at: Ints) -> PairColumns:
        """The pairs at these places."""
        scores = {name: column[at] for name, column in self.scores.items()}
        return PairColumns(
            self.sign,
            self.actual.take(at),
            self.predicted.take(at),
            self.actual_number[at],
            self.predicted_number[at],
            {name: column for name, column in scores.items() if not np.isnan(column).all()},
            self.delay[at],
        )


@dataclass(slots=True)
class _Block:
    """Pairs of rows that were found together."""

    kept: KeptRows
    places: list[int] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


class _Numbers(dict[str, int]):
    """Texts by number, in order of first occurrence."""

    def of(self, texts: Sequence[str]) -> Ints:
        """The number of each text, a new one for a new text."""
        return np.array([self.setdefault(text, len(self)) for text in texts], np.int64)


class Pairs:
    """Gathers pairs of all models; those that are taken back apart from the others."""

    def __init__(self) -> None:
        """No pair yet."""
        self._added: dict[int, _Block] = {}
        self._taken_back: dict[int, _Block] = {}

    def add(self, row: FoundPrediction, said: Said) -> None:
        """Count a label for a row."""
        _block_of(self._added, row.rows, row.place, said)

    def take_back(self, row: FoundPrediction, said: Said) -> None:
        """Count it no more."""
        _block_of(self._taken_back, row.rows, row.place, said)

    def by_pane(self, pane_of: Callable[[str], int]) -> Iterator[tuple[PaneKey, int, PairColumns]]:
        """The pairs of each pane and each set of windows closed to them, and of each sign.

        Args:
            pane_of: milliseconds of a model's pane.
        """
        for sign, blocks in ((-1, self._taken_back), (1, self._added)):
            by_model: dict[str, list[_Block]] = {}
            for block in blocks.values():
                by_model.setdefault(block.kept.shape.model, []).append(block)
            for model, mine in by_model.items():
                yield from _by_pane(model, sign, mine, pane_of(model))


def _block_of(blocks: dict[int, _Block], kept: KeptRows, place: int, said: Said) -> None:
    block = blocks.get(id(kept))
    if block is None:
        block = blocks[id(kept)] = _Block(kept)
    block.places.append(place)
    block.said.append(said)


def _by_pane(
    model: str, sign: int, blocks: Sequence[_Block], pane: int
) -> Iterator[tuple[PaneKey, int, PairColumns]]:
    columns = _columns(sign, blocks)
    ts = np.concatenate([block.kept.ts[block.places] for block in blocks])
    starts = ts // pane * pane
    heads: dict[tuple[str, int], int] = {}
    shapes = [block.kept.shape for block in blocks]
    codes = [heads.setdefault((s.version, s.closed_until), len(heads)) for s in shapes]
    head = np.repeat(codes, [len(block.places) for block in blocks])
    about = list(heads)
    names, segments = _segments(blocks)
    for segment in (np.full(len(ts), len(names) - 1), *segments.T):
        here = np.flatnonzero(segment >= 0)
        for group in alike(segment[here], head[here], starts[here]):
            at = here[group]
            version, closed_until = about[head[at[0]]]
            key = PaneKey(model, version, names[segment[at[0]]], int(starts[at[0]]))
            yield key, closed_until, columns.take(at)


def _segments(blocks: Sequence[_Block]) -> tuple[list[str], Ints]:
    """The names of all segments, then the empty one; and (pairs, keys): which, -1 for none."""
    numbers = _Numbers()
    widest = max(block.kept.shape.segments for block in blocks)
    tables = []
    for block in blocks:
        table = np.full((len(block.places), widest), -1, np.int64)
        if block.kept.shape.segments:
            places = block.kept.segments[block.places]
            table[:, : places.shape[1]] = numbers.of(block.kept.segment_texts)[places]
        tables.append(table)
    return [*numbers, ""], np.concatenate(tables)


def _columns(sign: int, blocks: Sequence[_Block]) -> PairColumns:
    """All pairs of these blocks, one block behind the other."""
    said = [one for block in blocks for one in block.said]
    labels, answers = _Numbers(), _Numbers()
    actual = labels.of([one.text for one in said])
    predicted, values = zip(*(_predicted(block, answers) for block in blocks), strict=True)
    names = sorted({name for block in blocks for name in block.kept.shape.scores})
    scores = np.full((len(said), len(names)), np.nan)
    first = 0
    for block in blocks:
        after = first + len(block.places)
        mine = [names.index(name) for name in block.kept.shape.scores]
        scores[first:after, mine] = block.kept.scores[block.places]
        first = after
    ts = np.concatenate([block.kept.ts[block.places] for block in blocks])
    delay = np.array([one.ts for one in said], np.int64) - ts
    return PairColumns(
        sign=sign,
        actual=_text_column(actual, labels),
        predicted=_text_column(np.concatenate(predicted), answers),
        actual_number=np.array([one.number for one in said]),
        predicted_number=np.concatenate(values),
        scores={name: scores[:, n] for n, name in enumerate(names)},
        delay=delay.astype(np.float64),
    )


def _predicted(block: _Block, answers: _Numbers) -> tuple[Ints, NDArray[np.float64]]:
    """The predictions of a block, as numbers of classes and as values."""
    shape, size = block.kept.shape, len(block.places)
    if shape.text is not None:
        return np.repeat(answers.of([shape.text]), size), np.full(size, shape.number)
    values = block.kept.numbers[block.places]
    return answers.of([number_text(value) for value in values.tolist()]), values


def _text_column(codes: Ints, numbers: _Numbers) -> Column:
    return Column(len(codes), codes=codes.astype(np.int32), texts=tuple(numbers))
