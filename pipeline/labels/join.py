"""The label join: pairs of a label and a prediction become quality counts.

A pair counts once, in the pane of the *prediction's* time. A correction takes the old pair back
and adds the new one. A label whose prediction is not there yet stays open, and is looked up again
until the predictions' watermark has passed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from inferwatch.settings import Settings
from pipeline.columns import LabelRows
from pipeline.decode import Decoded
from pipeline.labels.kept import FoundPrediction
from pipeline.labels.record import LabelRecord
from pipeline.models import ModelPlans
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

    def newest(self, state: PartitionState, decoded: Decoded) -> dict[str, LabelRecord]:
        """The labels of a batch that say something new, one an id: the last by (ts, offset)."""
        news: dict[str, LabelRecord] = {}
        for chunk in decoded.chunks:
            rows = chunk.rows
            assert isinstance(rows, LabelRows)
            for n, identity in enumerate(rows.ids):
                ts, offset = int(rows.ts[n]), int(chunk.offset[n])
                before = news.get(identity) or state.labels.get(identity)
                if before is not None and (ts, offset) <= (before.ts, before.offset):
                    state.totals.duplicates += 1
                    continue
                number = float(rows.numbers[n])
                news[identity] = LabelRecord(ts, offset, rows.texts[n], number, [])
                state.high_ts = max(state.high_ts, min(ts, int(chunk.record_ts[n])))
            state.totals.rows += rows.size
        for letter in decoded.rejected:
            count = state.totals.rejected.get(letter.reason, 0)
            state.totals.rejected[letter.reason] = count + 1
        return news

    def waiting(self, state: PartitionState, predictions_watermark: int) -> list[tuple[str, int]]:
        """Open labels to look up once more: those without a row, and those about to close."""
        return [
            (identity, record.ts)
            for identity, record in state.labels.items()
            if record.open and (not record.joined or record.ts < predictions_watermark)
        ]

    def close(
        self, state: PartitionState, looked_up: Sequence[tuple[str, int]], watermark: int
    ) -> set[str]:
        """Close the labels that the predictions' watermark has passed: no row can still come."""
        closed = set()
        for identity, ts in looked_up:
            if ts < watermark:
                state.labels[identity].open = False
                closed.add(identity)
        return closed

    def apply(
        self, state: PartitionState, news: Mapping[str, LabelRecord], found: Found
    ) -> JoinOutcome:
        """Count pairs: of new labels with the rows found, and of open labels with new rows."""
        outcome = JoinOutcome()
        pairs: dict[tuple[PaneKey, int, int], _Pairs] = {}
        for identity, record in news.items():
            before = state.labels.get(identity)
            rows = {row.identity: row for row in found.get(identity, ())}
            for known in before.joined if before else ():
                row = rows.get(known)
                if row is not None and before is not None:
                    self._pair(pairs, row, before, -1)
                    self._pair(pairs, row, record, 1)
                # A row past its horizon is gone: it stays counted with the label it had.
                record.joined.append(known)
            state.labels[identity] = record
            outcome.touched.add(identity)
        for identity, rows_found in found.items():
            label = state.labels.get(identity)
            if label is None:
                continue
            for row in rows_found:
                if row.identity in label.joined:
                    continue
                horizon = self._plans.of(row.model).settings.labels.horizon
                if label.ts - row.ts > horizon:
                    continue
                self._pair(pairs, row, label, 1)
                label.joined.append(row.identity)
                outcome.touched.add(identity)
        for (key, closed_until, sign), group in pairs.items():
            self._count(state, key, closed_until, sign, group)
            outcome.dirty.add(key.text())
        return outcome

    def _pair(
        self,
        pairs: dict[tuple[PaneKey, int, int], _Pairs],
        row: FoundPrediction,
        label: LabelRecord,
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
