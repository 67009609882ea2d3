"""Fold: rows of one source partition become counts in panes.

What decides about a row (counted before? too late? which windows are closed to it?) comes from
its own partition's log only, in log order, however the log was cut into batches: so a partition
read again, by whomever, gives the same panes.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

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
from pipeline.labels.kept import KeptRows, kept_rows
from pipeline.models import ModelPlan, ModelPlans
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.reference.learning import Learning
from pipeline.stats import LatencyCounter, ResourceCounter
from pipeline.windows.numbered import Numbered
from pipeline.windows.pane import Counts, Pane, PaneKey
from pipeline.windows.segments import segment_groups
from pipeline.windows.sequence import OriginSequence
from pipeline.windows.watermark import NEVER


@dataclass(slots=True)
class FoldOutcome:
    """What a fold changed.

    Attributes:
        dirty: text keys of the panes that changed.
        kept: predictions that labels may find later.
        sampled: model and part of the samples that changed, of rows that references learn from.
    """

    dirty: set[str] = field(default_factory=set)
    kept: list[KeptRows] = field(default_factory=list)
    sampled: set[tuple[str, int]] = field(default_factory=set)


@dataclass(slots=True)
class _Group:
    """Rows of one batch that share a pane: positions into the chunk."""

    key: PaneKey
    closed_until: int
    rows: Ints


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

    def fold(self, state: PartitionState, decoded: Decoded, through: int) -> FoldOutcome:
        """Fold decoded records into the state; `through` is the last offset they include."""
        outcome = FoldOutcome()
        highs = _highs_before(state, decoded.chunks)
        self.fold_chunks(state, decoded.chunks, highs, outcome)
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
            state.models.add(plan.name)
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
            for group in _groups(plan, version, rows.ts, mine, open_until):
                self._fold_group(state, chunk, plan, group, sure, outcome)

    def _fold_group(
        self,
        state: PartitionState,
        chunk: Chunk,
        plan: ModelPlan,
        group: _Group,
        sure: Confidences | None,
        outcome: FoldOutcome,
    ) -> None:
        counts = self._counts(state, group.key, group.closed_until, outcome)
        rows = chunk.rows
        if isinstance(rows, LatencyRows):
            counts.latency = counts.latency or LatencyCounter()
            at = group.rows
            counts.latency.update(
                rows.latency_ms[at], rows.failed[at], rows.ttft_ms[at], rows.tokens_out[at]
            )
        elif isinstance(rows, ResourceRows):
            counts.resources = counts.resources or ResourceCounter()
            counts.resources.update({name: m[group.rows] for name, m in rows.metrics.items()})
        elif isinstance(rows, PredictionRows):
            self._fold_predictions(state, chunk, plan, group, sure, outcome)

    def _fold_predictions(
        self,
        state: PartitionState,
        chunk: Chunk,
        plan: ModelPlan,
        group: _Group,
        sure: Confidences | None,
        outcome: FoldOutcome,
    ) -> None:
        rows = chunk.rows
        assert isinstance(rows, PredictionRows)
        segments = segment_groups(rows, group.rows, plan.segments)
        joinable = _joinable(rows, group.rows, plan.settings.labels.sample)
        for segment, positions in (("", group.rows), *segments):
            key = PaneKey(group.key.model, group.key.version, segment, group.key.start)
            counts = self._counts(state, key, group.closed_until, outcome)
            counts.rows += len(positions)
            counts.joinable += int(np.isin(positions, joinable, assume_unique=True).sum())
            if sure is not None:
                counts.confidence = counts.confidence or ConfidenceCounter()
                counts.confidence.update(sure.take(positions))
            self._count_inputs(counts, chunk, plan, key, positions)
        if len(joinable):
            outcome.kept.extend(kept_rows(chunk, joinable, group.key, group.closed_until, segments))

    def _count_inputs(
        self, counts: Counts, chunk: Chunk, plan: ModelPlan, key: PaneKey, positions: Ints
    ) -> None:
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
                from_start=state.from_start,
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
        """The pane of a row that shows a hole; empty where only rejected rows do."""
        part, row = numbered.good_row_from(at)
        if row < 0:
            return ""
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
            if key and lost:
                self._counts(state, PaneKey.parse(key), NEVER, outcome).lost += lost

    def _count_duplicates(
        self, state: PartitionState, plan: ModelPlan, version: str, ts: Ints, outcome: FoldOutcome
    ) -> None:
        state.totals.duplicates += len(ts)
        starts, numbers = np.unique(ts // plan.grid.pane * plan.grid.pane, return_counts=True)
        for start, number in zip(starts.tolist(), numbers.tolist(), strict=True):
            key = PaneKey(plan.name, version, "", start)
            self._counts(state, key, NEVER, outcome).duplicates += number

    def _counts(
        self, state: PartitionState, key: PaneKey, closed_until: int, outcome: FoldOutcome
    ) -> Counts:
        text = key.text()
        outcome.dirty.add(text)
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


def _highs_before(state: PartitionState, chunks: Sequence[Chunk]) -> list[Ints]:
    """For each row, the highest event time of all rows before it in the log; moves the state's.

    A time is never above its record's own Kafka timestamp: one fast clock must not make the
    rest too late.
    """
    if not chunks:
        return []
    offsets = np.concatenate([chunk.offset for chunk in chunks])
    places = np.concatenate([chunk.row for chunk in chunks])
    times = np.concatenate([np.minimum(c.rows.ts, c.record_ts) for c in chunks])
    order = np.lexsort((places, offsets))
    running = np.maximum.accumulate(np.concatenate(([state.high_ts], times[order])))
    state.high_ts = int(running[-1])
    before = np.empty_like(times)
    before[order] = running[:-1]
    return np.split(before, np.cumsum([chunk.rows.size for chunk in chunks])[:-1])


def _groups(plan: ModelPlan, version: str, ts: Ints, mine: Ints, closed: Ints) -> list[_Group]:
    """Split rows by pane, and by the windows that are closed to them."""
    if not len(mine):
        return []
    grid = plan.grid
    times = ts[mine]
    slices = times // grid.pane
    # Most rows: no window that holds them is closed.
    is_closed = grid.first_end(times) <= closed
    if not is_closed.any():
        return [
            _Group(PaneKey(plan.name, version, "", start * grid.pane), NEVER, mine[rows])
            for start, rows in _by_value(slices)
        ]
    until = np.where(is_closed, closed // grid.pane * grid.pane, NEVER)
    return [
        _Group(PaneKey(plan.name, version, "", start * grid.pane), end, mine[rows[at]])
        for end, rows in _by_value(until)
        for start, at in _by_value(slices[rows])
    ]


def _by_value(values: Ints) -> list[tuple[int, Ints]]:
    """The distinct values and the positions of each; fast where values rarely fall."""
    if (values[1:] < values[:-1]).any():
        order = np.argsort(values, kind="stable")
        values = values[order]
    else:
        order = np.arange(len(values))
    cuts = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return [(int(values[a]), order[a:b]) for a, b in pairwise(cuts)]
