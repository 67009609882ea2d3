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
from pipeline.decode import Decoded
from pipeline.labels.kept import FoundPrediction
from pipeline.labels.pairs import PairColumns, Pairs
from pipeline.labels.record import LabelRecord, Said
from pipeline.limits import Moves, NameLimits, PaneLimiter
from pipeline.models import ModelPlans, longest_horizon
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.stats import RegressionCounter
from pipeline.windows.counting import CountingRules
from pipeline.windows.pane import Pane, PaneKey

Found = Mapping[str, Sequence[FoundPrediction]]


@dataclass(slots=True)
class JoinOutcome(Moves):
    """What a join changed: panes by key, label records by id."""

    touched: set[str] = field(default_factory=set)


class LabelJoin:
    """Joins the labels of one partition at a time; pure: what was found is handed in."""

    def __init__(self, settings: Settings, references: ReferenceCatalog) -> None:
        """Join by these settings; names that these references know are never told together."""
        self._plans = ModelPlans(settings)
        self._limiter = PaneLimiter(NameLimits(settings, self._plans, references), self._plans)
        self._horizon = longest_horizon(settings)
        self._horizons: dict[str, int] = {}
        self._restate = settings.retention.restate

    def newest(self, state: PartitionState, decoded: Decoded) -> dict[str, LabelRecord]:
        """The records of the ids of which a batch says something new.

        A label that is older than anything a window still takes is only counted: what it would
        correct may be forgotten already. Decided row by row in the order of the log, however it
        was cut into batches.
        """
        news: dict[str, LabelRecord] = {}
        known, totals = state.labels, state.totals
        high, keeps_for = state.high_ts, self._horizon + self._restate
        for identity, ts, offset, text, number, record_ts in _in_log_order(decoded):
            totals.rows += 1
            if ts < high - keeps_for:
                totals.too_late += 1
                continue
            said = Said(ts, offset, text, number)
            before = news.get(identity) or known.get(identity)
            record = LabelRecord([said]) if before is None else before.with_said(said)
            if record is None:
                totals.duplicates += 1
                continue
            news[identity] = record
            high = max(high, min(ts, record_ts))
        state.high_ts = high
        for letter in decoded.rejected:
            count = totals.rejected.get(letter.reason, 0)
            totals.rejected[letter.reason] = count + 1
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
        pairs = Pairs()
        for identity, record in news.items():
            before = state.labels.get(identity)
            state.labels[identity] = record
            if before is not None and before.joined:
                self._correct(pairs, before, record, found.get(identity, ()))
        for identity, rows in found.items():
            label = state.labels.get(identity)
            if label is not None and self._join(pairs, label, rows):
                outcome.touched.add(identity)
        for key, closed_until, columns in pairs.by_pane(self._pane_of):
            home = self._home(state, key, closed_until, outcome)
            if home is not None:
                self._count(state, home, closed_until, columns, self._rules_of(key.model))
                self._limiter.mark(home, outcome)
                outcome.dirty.add(home.text())
        return outcome

    def _correct(
        self,
        pairs: Pairs,
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
                pairs.take_back(row, old)
                pairs.add(row, new)

    def _join(
        self,
        pairs: Pairs,
        label: LabelRecord,
        rows: Sequence[FoundPrediction],
    ) -> bool:
        """Count a label for the rows that it was not counted for; whether there was one."""
        joined = label.joined
        before = len(joined)
        for row in rows:
            if row.identity in joined:
                continue
            said = label.of(row.ts, self._horizon_of(row.rows.shape.model))
            if said is not None:
                pairs.add(row, said)
                joined.append(row.identity)
                if row.ts > label.newest_row:
                    label.newest_row = row.ts
        return len(joined) > before

    def _home(
        self, state: PartitionState, key: PaneKey, closed_until: int, outcome: JoinOutcome
    ) -> PaneKey | None:
        """Where pairs of a pane are counted: where their rows are (pipeline/limits.py)."""
        pane = state.panes.get(key.text())
        if pane is None or closed_until not in pane.counts:
            return self._limiter.home(state.panes, key, closed_until, outcome)
        return key

    def _count(
        self,
        state: PartitionState,
        key: PaneKey,
        closed_until: int,
        pairs: PairColumns,
        made_for: CountingRules,
    ) -> None:
        rules = self._rules_of(key.model)
        if rules.digest != made_for.digest:
            # Told as `__other__`, by whose rules these pairs say nothing (Counts.merge).
            return
        text = key.text()
        if text not in state.panes:
            state.panes[text] = Pane(rules)
        counts = state.panes[text].at(closed_until)
        if counts.quality is None:
            counts.quality = rules.quality()
        if isinstance(counts.quality, RegressionCounter):
            actual, predicted = pairs.actual_number, pairs.predicted_number
            usable = np.isfinite(actual) & np.isfinite(predicted)
            counts.quality.update(
                actual[usable], predicted[usable], pairs.delay[usable], pairs.sign
            )
            return
        counts.quality.update(pairs.actual, pairs.predicted, pairs.scores, pairs.delay, pairs.sign)

    def _rules_of(self, model: str) -> CountingRules:
        return self._plans.of(model).counting

    def _pane_of(self, model: str) -> int:
        return self._plans.of(model).grid.pane

    def _horizon_of(self, model: str) -> int:
        horizon = self._horizons.get(model)
        if horizon is None:
            horizon = self._horizons[model] = self._plans.of(model).settings.labels.horizon
        return horizon


def _in_log_order(decoded: Decoded) -> Iterator[tuple[str, int, int, str, float, int]]:
    """Every row of a batch: id, time, offset, text, number, its record's time."""
    columns: list[Iterator[tuple[str, int, int, str, float, int]]] = []
    for chunk in decoded.chunks:
        rows = chunk.rows
        assert isinstance(rows, LabelRows)
        columns.append(
            zip(
                rows.ids,
                rows.ts.tolist(),
                chunk.offset.tolist(),
                rows.texts,
                rows.numbers.tolist(),
                chunk.record_ts.tolist(),
                strict=True,
            )
        )
    if len(columns) == 1:
        return columns[0]
    rows_of = [row for column in columns for row in column]
    offsets = np.concatenate([c.offset for c in decoded.chunks]) if columns else np.empty(0)
    places = np.concatenate([c.row for c in decoded.chunks]) if columns else np.empty(0)
    return (rows_of[n] for n in np.lexsort((places, offsets)).tolist())
