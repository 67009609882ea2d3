"""The label join: pairs of a label and a prediction become quality counts.

A pair counts once, in the pane of the *prediction's* time. A correction takes the old pair back
and adds the new one. A label whose prediction is not there yet stays open, and is looked up again
until the predictions' watermark has passed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from inferwatch.settings import Settings
from pipeline.columns import LabelRows
from pipeline.decode import Chunk, Decoded
from pipeline.labels.kept import FoundPrediction
from pipeline.labels.record import LabelRecord, Said
from pipeline.models import ModelPlans, longest_horizon
from pipeline.partition import PartitionState
from pipeline.stats import RegressionCounter
from pipeline.windows.pane import Pane, PaneKey

Found = Mapping[str, Sequence[FoundPrediction]]


@dataclass(slots=True)
class _Pairs:
    """Pairs that go to one pane with one sign, as columns in the making."""

    actual: list[str] = field(default_factory=list)
    actual_number: list[float] = field(default_factory=list)
    predicted: list[str] = field(default_factory=list)
    predicted_number: list[float] = field(default_factory=list)
    delay: list[float] = field(default_factory=list)
    scores: list[dict[str, float]] = field(default_factory=list)


@dataclass(slots=True)
class JoinOutcome:
    """What a join changed: panes by key, label records by id."""

    dirty: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)


class LabelJoin:
    """Joins the labels of one partition at a time; pure: what was found is handed in."""

    def __init__(self, settings: Settings) -> None:
        """Join by these settings."""
        self._plans = ModelPlans(settings)
        self._horizon = longest_horizon(settings)
        self._restate = settings.retention.restate

    def newest(self, state: PartitionState, decoded: Decoded) -> dict[str, LabelRecord]:
        """The records of the ids of which a batch says something new.

        A label that is older than anything a window still takes is only counted: what it would
        correct may be forgotten already. Decided row by row in the order of the log, however it
        was cut into batches.
        """
        news: dict[str, LabelRecord] = {}
        for chunk, n in _in_log_order(decoded):
            rows = chunk.rows
            assert isinstance(rows, LabelRows)
            state.totals.rows += 1
            identity, ts = rows.ids[n], int(rows.ts[n])
            if ts < self.too_late_before(state):
                state.totals.too_late += 1
                continue
            said = Said(ts, int(chunk.offset[n]), rows.texts[n], float(rows.numbers[n]))
            before = news.get(identity) or state.labels.get(identity)
            record = LabelRecord([said]) if before is None else before.with_said(said)
            if record is None:
                state.totals.duplicates += 1
                continue
            news[identity] = record
            state.high_ts = max(state.high_ts, min(ts, int(chunk.record_ts[n])))
        for letter in decoded.rejected:
            count = state.totals.rejected.get(letter.reason, 0)
            state.totals.rejected[letter.reason] = count + 1
        return news

    def too_late_before(self, state: PartitionState) -> int:
        """Labels of an earlier time are too late for every window."""
        return state.high_ts - self._horizon - self._restate

    def forgettable(self, state: PartitionState) -> list[str]:
        """Labels that no later label can correct any more."""
        before = self.too_late_before(state)
        return [
            identity
            for identity, record in state.labels.items()
            if not record.open and max(record.ts, record.newest_row + self._horizon) < before
        ]

    def lookups(self, records: Mapping[str, LabelRecord]) -> list[tuple[str, int]]:
        """Where to look for the rows of these labels: id and time."""
        return [(identity, ts) for identity, record in records.items() for ts in record.times()]

    def waiting(
        self, state: PartitionState, predictions_watermark: int, *, again: bool = False
    ) -> dict[str, LabelRecord]:
        """Open labels to look up once more: those without a row, and those about to close.

        `again`: all of them, also those that found a row already.
        """
        return {
            identity: record
            for identity, record in state.labels.items()
            if record.open and (again or not record.joined or record.ts < predictions_watermark)
        }

    def close(
        self, state: PartitionState, looked_up: Mapping[str, LabelRecord], watermark: int
    ) -> set[str]:
        """Close the labels that the predictions' watermark has passed: no row can still come."""
        closed = {identity for identity, record in looked_up.items() if record.ts < watermark}
        for identity in closed:
            state.labels[identity].open = False
        return closed

    def apply(
        self, state: PartitionState, news: Mapping[str, LabelRecord], found: Found
    ) -> JoinOutcome:
        """Count pairs: of new labels with the rows found, and of open labels with new rows."""
        outcome = JoinOutcome(touched=set(news))
        pairs: dict[tuple[PaneKey, int, int], _Pairs] = {}
        for identity, record in news.items():
            before = state.labels.get(identity)
            state.labels[identity] = record
            if before is not None and before.joined:
                self._correct(pairs, before, record, found.get(identity, ()))
        for identity, rows in found.items():
            label = state.labels.get(identity)
            if label is not None and self._join(pairs, label, rows):
                outcome.touched.add(identity)
        for (key, closed_until, sign), group in pairs.items():
            self._count(state, key, closed_until, sign, group)
            outcome.dirty.add(key.text())
        return outcome

    def _correct(
        self,
        pairs: dict[tuple[PaneKey, int, int], _Pairs],
        before: LabelRecord,
        after: LabelRecord,
        rows: Sequence[FoundPrediction],
    ) -> None:
        """Take the pairs of rows back that count with another label now, and add the new ones.

        A row that is kept no more stays counted with the label that it had.
        """
        joined = set(before.joined)
        for row in {row.identity: row for row in rows if row.identity in joined}.values():
            horizon = self._plans.of(row.model).settings.labels.horizon
            old, new = before.of(row.ts, horizon), after.of(row.ts, horizon)
            if old is not None and new is not None and old != new:
                self._pair(pairs, row, old, -1)
                self._pair(pairs, row, new, 1)

    def _join(
        self,
        pairs: dict[tuple[PaneKey, int, int], _Pairs],
        label: LabelRecord,
        rows: Sequence[FoundPrediction],
    ) -> bool:
        """Count a label for the rows that it was not counted for; whether there was one."""
        before = len(label.joined)
        for row in rows:
            said = label.of(row.ts, self._plans.of(row.model).settings.labels.horizon)
            if said is not None and row.identity not in label.joined:
                self._pair(pairs, row, said, 1)
                label.joined.append(row.identity)
                label.newest_row = max(label.newest_row, row.ts)
        return len(label.joined) > before

    def _pair(
        self,
        pairs: dict[tuple[PaneKey, int, int], _Pairs],
        row: FoundPrediction,
        label: Said,
        sign: int,
    ) -> None:
        pane = self._plans.of(row.model).grid.pane
        start = row.ts // pane * pane
        for segment in ("", *row.segments):
            key = PaneKey(row.model, row.version, segment, start)
            group = pairs.setdefault((key, row.closed_until, sign), _Pairs())
            group.actual.append(label.text)
            group.actual_number.append(label.number)
            group.predicted.append(row.text)
            group.predicted_number.append(row.number)
            group.delay.append(float(label.ts - row.ts))
            group.scores.append(row.scores)

    def _count(
        self, state: PartitionState, key: PaneKey, closed_until: int, sign: int, group: _Pairs
    ) -> None:
        rules = self._plans.of(key.model).counting
        counts = state.panes.setdefault(key.text(), Pane(rules)).at(closed_until)
        if counts.quality is None:
            counts.quality = rules.quality()
        delay = np.array(group.delay)
        if isinstance(counts.quality, RegressionCounter):
            actual = np.array(group.actual_number)
            predicted = np.array(group.predicted_number)
            usable = np.isfinite(actual) & np.isfinite(predicted)
            counts.quality.update(actual[usable], predicted[usable], delay[usable], sign)
            return
        names = sorted({name for scores in group.scores for name in scores})
        scores = {name: np.array([row.get(name, np.nan) for row in group.scores]) for name in names}
        counts.quality.update(group.actual, group.predicted, scores, delay, sign)


def _in_log_order(decoded: Decoded) -> Iterator[tuple[Chunk, int]]:
    """Every row of a batch: its chunk, and its place there."""
    chunks = decoded.chunks
    if len(chunks) == 1:
        return ((chunks[0], n) for n in range(chunks[0].rows.size))
    rows = (
        (int(chunk.offset[n]), int(chunk.row[n]), number, n)
        for number, chunk in enumerate(chunks)
        for n in range(chunk.rows.size)
    )
    return ((chunks[number], n) for _, _, number, n in sorted(rows))
