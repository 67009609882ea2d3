"""The replay itself: rows in the order of arrival, folded and judged as the watermark moves.

All input is one partition. A stretch of rows is folded at once as long as none of them is late
for a window that became final within the stretch: then the windows that it makes final hold the
same rows as if each row had been folded by itself. Where a row is late, the stretch is cut so that
the windows which were final before it are published without it, whatever the size of a batch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from inferwatch.events.alert import Alert
from inferwatch.events.kinds import Kind
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from pipeline.columns import EventRows, Ints
from pipeline.decode import Chunk
from pipeline.decode.cut import between
from pipeline.fold import Folder, FoldOutcome
from pipeline.labels.kept import KeptRows
from pipeline.limits import NameLimits
from pipeline.models import ModelPlans, longest_horizon
from pipeline.partition import PartitionState
from pipeline.pooling import Pooling
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.replay.arrival import Arrived
from pipeline.replay.joining import Joining
from pipeline.replay.label_feed import LabelFeed
from pipeline.replay.learning import ReplayLearning
from pipeline.replay.model import END_OF_TIME, ModelReplay
from pipeline.windows.name_limit import OTHER
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.watermark import NEVER

EVENTS = (Kind.PREDICTION, Kind.LATENCY, Kind.RESOURCE)


class Replay:
    """Takes rows in, and publishes window results and alerts.

    Attributes:
        rejected: how many events were rejected, by reason.
    """

    def __init__(
        self,
        settings: Settings,
        references: ReferenceCatalog,
        publish: Callable[[WindowResult], None],
        labels: LabelFeed | None = None,
        written: Callable[[int], None] = lambda before: None,
    ) -> None:
        """Replay by these settings.

        Args:
            settings: of all models.
            references: they hold from the first row; what is learned is added.
            publish: takes each result, revisions too.
            labels: all of them; None judges no quality.
            written: told that no window which ends before this time will be published any more.
        """
        self.rejected: Counter[str] = Counter()
        self._settings = settings
        self._references = references
        self._publish = publish
        self._written = written
        self._plans = ModelPlans(settings)
        self._learning = ReplayLearning(self._plans, references, settings.retention.restate)
        self._panes: dict[str, Pane] = {}
        # Numbers of senders count by topic, the panes and the watermark are shared.
        self._states = {kind: PartitionState(panes=self._panes) for kind in EVENTS}
        self._joining = (
            None if labels is None else Joining(settings, references, labels, self._panes)
        )
        self._folder = Folder(settings, references, frozenset() if labels is None else labels.ids)
        self._models: dict[str, ModelReplay] = {}
        self._limits = NameLimits(settings, self._plans, references)
        self._pooling = Pooling(self._limits, self._plans, self._is_crowded)
        self._shared: list[PaneKey] = []
        self._models_seen, self._crowded = 0, False
        self._high = NEVER
        self._label_time: int = NEVER
        self._slack = _slack(settings, with_labels=labels is not None)
        if labels is not None:
            self.rejected.update(labels.rejected)

    @property
    def predictions(self) -> PartitionState:
        """What was counted of the predictions."""
        return self._states[Kind.PREDICTION]

    @property
    def alerts(self) -> list[Alert]:
        """All transitions so far, by time."""
        made = [alert for name in sorted(self._models) for alert in self._models[name].alerts]
        return sorted(made, key=lambda alert: alert.updated_at)

    @property
    def warnings(self) -> list[str]:
        """Rules that can never fire, by model."""
        return [
            f"{name}: {text}"
            for name in sorted(self._models)
            for text in self._models[name].warnings
        ]

    def run(self, batches: Iterable[Arrived]) -> None:
        """Take all rows in, to their end: then every window is final."""
        for batch in batches:
            self.take(batch)
        self.finish()

    def take(self, batch: Arrived) -> None:
        """Take rows in, in the order of their places."""
        for reasons in batch.rejected.values():
            self.rejected.update(reasons)
        before = self._highs_before(batch)
        samples = self.predictions.samples
        start = 0
        for stop in [*self._cuts(batch, before), batch.size]:
            # What is learned between two cuts is known from its row on.
            while (cut := self._learning.cut(batch, before, samples, start, stop)) is not None:
                self._step(batch, before, start, cut)
                start = cut
            self._step(batch, before, start, stop)
            start = stop
        for model in self._models.values():
            self._drop(model.close())
        self._written(self._high - self._slack)

    def finish(self) -> None:
        """The end of the input."""
        if self._joining is not None:
            ends = [m.last_end + m.plan.lateness for m in self._models.values()]
            self._advance(max([self._joining.last, self._high, *ends]))
            self._mark(self._joining.labels_until(END_OF_TIME), ModelReplay.labels_changed)
        for model in self._models.values():
            model.finish()
        self._written(END_OF_TIME)

    def _highs_before(self, batch: Arrived) -> Ints:
        """Shape (n + 1,): the highest time of all rows before each row, and after the last."""
        times = np.full(batch.size + 1, NEVER)
        times[0] = self._high
        for kind, chunk in batch.chunks:
            # A sampler of resources holds nothing back, and pushes nothing on.
            if kind is not Kind.RESOURCE:
                at = chunk.offset - batch.first + 1
                times[at] = np.minimum(chunk.rows.ts, chunk.record_ts)
        return np.maximum.accumulate(times)

    def _cuts(self, batch: Arrived, before: Ints) -> list[int]:
        """Where the batch is cut: around the rows that are late for some window."""
        cuts: set[int] = set()
        for _, chunk in batch.chunks:
            rows = chunk.rows
            assert isinstance(rows, EventRows)
            at = chunk.offset - batch.first
            for code in np.unique(rows.model).tolist():
                plan = self._plans.of(rows.models[code])
                grid = plan.grid
                suspects = rows.ts < before[at] - plan.lateness
                suspects &= rows.model == code
                if not suspects.any():
                    continue
                suspected = at[suspects]
                watermark = before[suspected] - plan.lateness
                late = suspected[grid.first_end(rows.ts[suspects]) <= watermark]
                # Between two steps of the watermark, or of label time, nothing is published.
                clocks = [(before[:-1] - plan.lateness) // grid.pane]
                if self._joining is not None:
                    clocks.append(before[:-1] // grid.smallest.size)
                for steps in clocks:
                    for side in ("left", "right"):
                        cuts.update(np.searchsorted(steps, np.unique(steps[late]), side).tolist())
        return sorted(cuts - {0, batch.size})

    def _step(self, batch: Arrived, before: Ints, start: int, stop: int) -> None:
        high = int(before[stop])
        self._fold(batch, before, start, stop)
        self._advance(high)
        self._learning.learn(high, self.predictions.samples)

    def _fold(self, batch: Arrived, before: Ints, start: int, stop: int) -> None:
        first = batch.first
        by_kind: dict[Kind, list[Chunk]] = defaultdict(list)
        for kind, whole in batch.chunks:
            chunk = between(whole, first + start, first + stop) if batch.size else whole
            if chunk is not None:
                by_kind[kind].append(chunk)
        kept: list[KeptRows] = []
        for kind, chunks in by_kind.items():
            highs = [before[chunk.offset - first] for chunk in chunks]
            outcome = FoldOutcome()
            self._folder.fold_chunks(self._states[kind], chunks, highs, outcome)
            kept += outcome.kept
            self._mark(outcome.dirty, ModelReplay.rows_changed)
        for state in self._states.values():
            state.high_ts = int(before[stop])
            self._folder.give_up_silent(state)
        self._high = int(before[stop])
        if kept and self._joining is not None:
            self._mark(self._joining.predictions(kept), ModelReplay.labels_changed)

    def _drop(self, closed: Iterable[PaneKey]) -> None:
        """Drop panes that no window needs, those of `__other__` neither."""
        other = self._models.get(OTHER)
        if other is None:
            for key in closed:
                self._panes.pop(key.text(), None)
            return
        self._shared += closed
        before = other.closed_until()
        gone = [k for k in self._shared if other.plan.grid.last_end_of(k.start) < before]
        self._shared = [k for k in self._shared if other.plan.grid.last_end_of(k.start) >= before]
        for key in gone:
            self._panes.pop(key.text(), None)

    def _is_crowded(self) -> bool:
        """Whether there are more models than the limit allows: then some are told together."""
        carried = [state.models for state in self._states.values()]
        size = sum(map(len, carried))
        if size != self._models_seen:
            self._models_seen = size
            names = set().union(*carried)
            self._crowded = OTHER in names or bool(self._limits.models().beyond(names))
        return self._crowded

    def _mark(
        self, dirty: Iterable[str], mark: Callable[[ModelReplay, list[PaneKey]], None]
    ) -> None:
        panes: dict[str, list[PaneKey]] = defaultdict(list)
        crowded = self._is_crowded()
        for text in dirty:
            key = PaneKey.parse(text)
            if key.model != OTHER or crowded:
                panes[key.model].append(key)
        for name, keys in panes.items():
            if name not in self._models:
                self._models[name] = ModelReplay(
                    self._plans.of(name),
                    self._settings,
                    self._references,
                    self._panes,
                    self._pooling,
                    self._publish,
                    with_labels=self._joining is not None,
                )
            mark(self._models[name], keys)
        if OTHER in panes:
            self._displace(panes[OTHER])

    def _displace(self, keys: Iterable[PaneKey]) -> None:
        """Models may be told as `__other__` now in windows that had results of their own."""
        other = self._models[OTHER]
        spans = {span for key in keys for span in other.plan.grid.spans_of(key.start)}
        for span in spans:
            if span.end <= other.final_until:
                for name in self._pooling.models_beyond(span, other.panes_of):
                    if name in self._models:
                        self._models[name].displaced(span.start, span.end)

    def _advance(self, high: int) -> None:
        """Go through the times up to `high` at which windows are final or quality is judged."""
        if self._joining is not None and high > NEVER:
            for time in self._label_steps(self._joining, high):
                for model in self._models.values():
                    model.advance(time)
                self._mark(self._joining.labels_until(time), ModelReplay.labels_changed)
                for model in self._models.values():
                    if time % model.plan.grid.smallest.size == 0:
                        model.judge_quality(time)
        for model in self._models.values():
            model.advance(high)

    def _label_steps(self, joining: Joining, high: int) -> Iterator[int]:
        """The times up to `high` at which the quality of some model is judged."""
        while self._models:
            models = self._models.values()
            sizes = {model.plan.grid.smallest.size for model in models}
            since = self._label_time
            if since == NEVER or not any(model.is_waiting for model in models):
                # Nothing happens before the next label, or before a window is final.
                soonest = [m.next_final for m in models if m.next_final is not None]
                if joining.next is not None:
                    soonest.append(joining.next)
                since = max(since, min(soonest, default=high) - 1)
            time = min((since // size + 1) * size for size in sizes)
            if time > high:
                self._label_time = high
                return
            self._label_time = time
            yield time


def _slack(settings: Settings, *, with_labels: bool) -> int:
    """How far behind the highest time a window's end may lie that is still revised."""
    names = [*(model.name for model in settings.models), OTHER]
    lateness = max(settings.for_model(name).lateness for name in names)
    horizon = longest_horizon(settings) if with_labels else 0
    size = max(spec.size for name in names for spec in settings.for_model(name).windows)
    return lateness + max(settings.retention.restate, horizon) + size
