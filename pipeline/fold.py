"""Fold: rows of one source partition become counts in panes.

What decides about a row (counted before? too late? which windows are closed to it?) comes from
its own partition's log only, in log order, however the log was cut into batches: so a partition
read again, by whomever, gives the same panes.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from inferwatch.events.sampling import keeps
from inferwatch.settings import Settings
from pipeline.columns import (
    EventRows,
    Ints,
    LabelRows,
    LatencyRows,
    Mask,
    PredictionRows,
    ResourceRows,
)
from pipeline.decode import Chunk, Decoded
from pipeline.decode.column_values import as_texts
from pipeline.estimate.confidence import ConfidenceCounter, Confidences
from pipeline.labels.falling_sample import shared
from pipeline.labels.kept import KeptRows, kept_rows
from pipeline.limits import Moves, NameLimits, PaneLimiter, pool_of
from pipeline.models import ModelPlan, ModelPlans
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.reference.learning import Learning
from pipeline.row_groups import RowGroup, highs_before, row_groups
from pipeline.senders import within_senders
from pipeline.stats import LatencyCounter, ResourceCounter
from pipeline.windows.numbered import Numbered
from pipeline.windows.pane import Counts, Pane, PaneKey
from pipeline.windows.segments import segment_groups
from pipeline.windows.sequence import WAITING, OriginSequence
from pipeline.windows.watermark import NEVER


@dataclass(slots=True)
class FoldOutcome(Moves):
    """What a fold changed: panes, and what it keeps.

    Attributes:
        kept: predictions that labels may find later.
        sampled: model and part of the samples that changed, of rows that references learn from.
    """

    kept: list[KeptRows] = field(default_factory=list)
    sampled: set[tuple[str, int]] = field(default_factory=set)


class Folder:
    """Folds predictions, latencies and resources into panes.

    Attributes:
        learning: keeps the first rows of models without a reference.
    """

    def __init__(
        self,
        settings: Settings,
        references: ReferenceCatalog,
        keep: Container[str] | None = None,
    ) -> None:
        """Fold by these settings, counting against these references.

        Args:
            settings: of all models.
            references: what rows are counted against.
            keep: the ids that labels can name, where all labels are known; None keeps every id.
        """
        self._keep = keep
        self._restate = settings.retention.restate
        self._plans = ModelPlans(settings)
        self._references = references
        self.learning = Learning(self._plans, references)
        self._limiter = PaneLimiter(NameLimits(settings, self._plans, references), self._plans)

    def fold(self, state: PartitionState, decoded: Decoded, through: int) -> FoldOutcome:
        """Fold decoded records into the state; `through` is the last offset they include."""
        outcome = FoldOutcome()
        for chunks in within_senders(state, decoded.chunks):
            self.fold_chunks(state, chunks, highs_before(state, chunks), outcome)
        for letter in decoded.rejected:
            count = state.totals.rejected.get(letter.reason, 0)
            state.totals.rejected[letter.reason] = count + 1
        self.give_up_silent(state)
        outcome.sampled |= self.learning.forget(state.samples)
        state.offset = through
        return outcome

    def give_up_silent(self, state: PartitionState) -> None:
        """Of an origin silent for `restate` only the highest number is kept."""
        before = state.high_ts - self._restate
        for seen in state.origins.values():
            if seen.last_ts < before:
                seen.give_up_holes()

    def fold_chunks(
        self,
        state: PartitionState,
        chunks: Sequence[Chunk],
        highs: Sequence[Ints],
        outcome: FoldOutcome,
    ) -> None:
        """Fold consecutive rows of a partition.

        Args:
            state: of the partition.
            chunks: all its rows between two offsets.
            highs: for each row of each chunk, the highest event time of all rows before it.
            outcome: what changed is added here.
        """
        admitted = self._admit(state, chunks, outcome)
        for chunk, high, fresh in zip(chunks, highs, admitted, strict=True):
            self._fold_chunk(state, chunk, high, fresh, outcome)

    def _fold_chunk(
        self, state: PartitionState, chunk: Chunk, high: Ints, fresh: Mask, outcome: FoldOutcome
    ) -> None:
        rows = chunk.rows
        assert not isinstance(rows, LabelRows)
        for model_code, version_code in _pairs(rows):
            plan = self._plans.of(rows.models[model_code])
            version = rows.versions[version_code]
            mine = np.flatnonzero((rows.model == model_code) & (rows.version == version_code))
            fresh_mine = fresh[mine]
            if isinstance(rows, PredictionRows) and not fresh_mine.all():
                self._count_duplicates(state, plan, version, rows.ts[mine[~fresh_mine]], outcome)
            mine = mine[fresh_mine]
            if not len(mine):
                continue
            open_until = high[mine] - plan.lateness - self._restate
            takes = plan.grid.last_end(rows.ts[mine]) > open_until
            state.totals.rows += len(mine)
            state.totals.too_late += int(np.count_nonzero(~takes))
            mine, open_until = mine[takes], open_until[takes]
            if isinstance(rows, PredictionRows):
                outcome.sampled |= self.learning.take(state.samples, plan, rows, mine)
            sure = _confidences(rows, plan, mine)
            for group in row_groups(plan, version, rows.ts, mine, open_until):
                self._fold_group(state, chunk, plan, group, sure, outcome)

    def _fold_group(
        self,
        state: PartitionState,
        chunk: Chunk,
        plan: ModelPlan,
        group: RowGroup,
        sure: Confidences | None,
        outcome: FoldOutcome,
    ) -> None:
        rows = chunk.rows
        if isinstance(rows, PredictionRows):
            self._fold_predictions(state, chunk, plan, group, sure, outcome)
            return
        home = self._home(state, group.key, group.closed_until, outcome)
        assert home is not None
        counts = self._counts(state, home, group.closed_until, outcome)
        if isinstance(rows, LatencyRows):
            counts.latency = counts.latency or LatencyCounter()
            at = group.rows
            counts.latency.update(
                rows.latency_ms[at], rows.failed[at], rows.ttft_ms[at], rows.tokens_out[at]
            )
        elif isinstance(rows, ResourceRows):
            counts.resources = counts.resources or ResourceCounter()
            counts.resources.update({name: m[group.rows] for name, m in rows.metrics.items()})

    def _fold_predictions(
        self,
        state: PartitionState,
        chunk: Chunk,
        plan: ModelPlan,
        group: RowGroup,
        sure: Confidences | None,
        outcome: FoldOutcome,
    ) -> None:
        rows = chunk.rows
        assert isinstance(rows, PredictionRows)
        share = shared(plan.settings.labels.sample, state.label_halvings.get(plan.name, 0))
        joinable = _joinable(rows, group.rows, share)
        homes = self._homes(state, rows, plan, group, outcome)
        for home, positions in homes:
            counts = self._counts(state, home, group.closed_until, outcome)
            counts.rows += len(positions)
            if counts.rules.digest != plan.counting.digest:
                # Told as `__other__`, by whose rules no more of it can be counted (Counts.merge).
                continue
            counts.joinable += int(np.isin(positions, joinable, assume_unique=True).sum())
            if sure is not None:
                counts.confidence = counts.confidence or ConfidenceCounter()
                counts.confidence.update(sure.take(positions))
            self._count_inputs(counts, chunk, plan, group.key, positions)
        if len(joinable):
            segments = [(home.segment, positions) for home, positions in homes[1:]]
            outcome.kept.extend(kept_rows(chunk, joinable, group.key, group.closed_until, segments))

    def _homes(
        self,
        state: PartitionState,
        rows: PredictionRows,
        plan: ModelPlan,
        group: RowGroup,
        outcome: FoldOutcome,
    ) -> list[tuple[PaneKey, Ints]]:
        """The panes that count rows of a group: of all of them first, then of each segment."""
        key, until = group.key, group.closed_until
        whole = self._home(state, key, until, outcome)
        assert whole is not None
        homes = [(whole, group.rows)]
        if whole != key:
            return homes
        pooled: dict[PaneKey, list[Ints]] = {}
        for segment, positions in segment_groups(rows, group.rows, plan.segments):
            named = PaneKey(key.model, key.version, segment, key.start)
            home = self._home(state, named, until, outcome)
            assert home is not None
            pooled.setdefault(home, []).append(positions)
        # A name may have gone for one that came after it in this very batch.
        for named in [named for named in pooled if named.text() in outcome.gone]:
            pool = replace(named, segment=pool_of(named.segment))
            pooled.setdefault(pool, []).extend(pooled.pop(named))
        return homes + [(home, np.sort(np.concatenate(at))) for home, at in pooled.items()]

    def _count_inputs(
        self, counts: Counts, chunk: Chunk, plan: ModelPlan, key: PaneKey, positions: Ints
    ) -> None:
        """Count features and outputs against the references in force for the pane `key`."""
        rows = chunk.rows
        assert isinstance(rows, PredictionRows)
        starts = [span.start for span in plan.grid.spans_of(key.start)]
        for reference, counted in self._references.counting(
            key.model, key.version, starts, chunk.record_ts[positions]
        ):
            at = positions if counted is None else positions[counted]
            if not len(at):
                continue
            whole = len(at) == rows.size
            features = {n: c for n, c in rows.features.items() if plan.watches(n)}
            counts.against(reference).update(
                features if whole else {n: c.take(at) for n, c in features.items()},
                rows.prediction if whole else rows.prediction.take(at),
                rows.scores if whole else {n: c.take(at) for n, c in rows.scores.items()},
            )

    def _admit(
        self, state: PartitionState, chunks: Sequence[Chunk], outcome: FoldOutcome
    ) -> list[Mask]:
        """Which rows were not counted before, by their senders' numbers."""
        admitted = [np.ones(chunk.rows.size, np.bool_) for chunk in chunks]
        by_origin: dict[str, list[int]] = {}
        for n, chunk in enumerate(chunks):
            if chunk.origin is not None:
                by_origin.setdefault(chunk.origin, []).append(n)
        for origin, mine in by_origin.items():
            numbered = Numbered.of([chunks[n] for n in mine])
            if not len(numbered.seq):
                continue
            seen = state.origins.setdefault(origin, OriginSequence(sparse=chunks[mine[0]].sparse))
            admission = seen.admit(
                numbered.seq,
                partial(self._pane_shown, [chunks[n] for n in mine], numbered),
                # One that was forgotten may come again: then its lower numbers are not lost.
                from_start=state.from_start and not state.totals.senders_forgotten,
            )
            for part, n in enumerate(mine):
                here = (numbered.part == part) & (numbered.row >= 0)
                admitted[n][numbered.row[here]] = admission.fresh[here]
                if chunks[n].rows.size:
                    seen.last_ts = max(seen.last_ts, int(chunks[n].rows.ts.max()))
            if isinstance(chunks[mine[0]].rows, PredictionRows):
                self._count_lost(state, admission.lost, outcome)
        return admitted

    def _pane_shown(self, chunks: Sequence[Chunk], numbered: Numbered, at: int) -> str:
        """The pane of the first good row that shows a hole; WAITING where none does yet."""
        part, row = numbered.good_row_from(at)
        if row < 0:
            return WAITING
        rows = chunks[part].rows
        assert isinstance(rows, EventRows)
        plan = self._plans.of(rows.models[rows.model[row]])
        start = int(rows.ts[row]) // plan.grid.pane * plan.grid.pane
        return PaneKey(plan.name, rows.versions[rows.version[row]], "", start).text()

    def _count_lost(
        self, state: PartitionState, change: Mapping[str, int], outcome: FoldOutcome
    ) -> None:
        state.totals.lost += sum(change.values())
        for key, lost in change.items():
            if lost and key not in ("", WAITING):
                home = self._home(state, PaneKey.parse(key), NEVER, outcome)
                assert home is not None
                self._counts(state, home, NEVER, outcome).lost += lost

    def _count_duplicates(
        self, state: PartitionState, plan: ModelPlan, version: str, ts: Ints, outcome: FoldOutcome
    ) -> None:
        state.totals.duplicates += len(ts)
        starts, numbers = np.unique(ts // plan.grid.pane * plan.grid.pane, return_counts=True)
        for start, number in zip(starts.tolist(), numbers.tolist(), strict=True):
            home = self._home(state, PaneKey(plan.name, version, "", start), NEVER, outcome)
            assert home is not None
            self._counts(state, home, NEVER, outcome).duplicates += number

    def _home(
        self, state: PartitionState, key: PaneKey, closed_until: int, outcome: FoldOutcome
    ) -> PaneKey | None:
        """Where rows of a pane are counted: there, or in `__other__` (pipeline/limits.py)."""
        pane = state.panes.get(key.text())
        if pane is None or closed_until not in pane.counts:
            home = self._limiter.home(state.panes, key, closed_until, outcome)
            if home is not None:
                state.models.add(home.model)
            return home
        return key

    def _counts(
        self, state: PartitionState, key: PaneKey, closed_until: int, outcome: FoldOutcome
    ) -> Counts:
        text = key.text()
        outcome.dirty.add(text)
        self._limiter.mark(key, outcome)
        if text not in state.panes:
            state.panes[text] = Pane(self._plans.of(key.model).counting)
        return state.panes[text].at(closed_until)


def _confidences(rows: EventRows, plan: ModelPlan, at: Ints) -> Confidences | None:
    """How sure a classifier was of the rows at these positions; None without scores."""
    if not isinstance(rows, PredictionRows) or not rows.scores or plan.counting.is_regression:
        return None
    scores = {name: column.take(at).doubles() for name, column in rows.scores.items()}
    predicted = as_texts(rows.prediction.take(at))
    return Confidences.of(predicted, scores, plan.counting.positive).spread(at, rows.size)


def _joinable(rows: PredictionRows, at: Ints, share: float) -> Ints:
    """The rows that a label could find: those with an id, of the sample."""
    ids = rows.ids
    if ids is None:
        return at[:0]
    named = [row for row in at.tolist() if ids[row] is not None]
    if share < 1:
        named = [row for row in named if keeps(ids[row], share)]
    return np.array(named, np.int64)


def _pairs(rows: EventRows) -> list[tuple[int, int]]:
    """The distinct (model, version) of a batch: usually one."""
    if len(rows.models) == 1 and len(rows.versions) == 1:
        return [(0, 0)]
    codes = np.unique(rows.model.astype(np.int64) * len(rows.versions) + rows.version)
    return [divmod(code, len(rows.versions)) for code in codes.tolist()]
