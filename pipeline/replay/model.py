"""The windows of one model in a replay: final when the watermark passes, revised by what is late.

What the worker's evaluator does between Redis and Kafka, this does in memory: the windows, their
results, their revisions and what is judged of them come from the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from inferwatch.events.alert import Alert
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from pipeline.assemble import assemble
from pipeline.judging import ModelJudge, turn
from pipeline.models import ModelPlan
from pipeline.pooling import Pooling, is_pool, pools_of
from pipeline.published import Published
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.name_limit import OTHER
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.result import WindowKey, relabelled
from pipeline.windows.rollup import Rollups
from pipeline.windows.run_shelf import RunShelf
from pipeline.windows.watermark import NEVER

END_OF_TIME = 2**62
RUNS_BYTES = 64 * 1024 * 1024
"""Memory that the runs of a model's panes may take."""

REVISE_SHARE_OF_AGE = 0.1
"""Labels revise a window once its age has grown by so much: what is written is its last revision,
and a correction in between tells little."""


class ModelReplay:
    """The windows of one model.

    Attributes:
        plan: of the model.
        alerts: all transitions so far, in the order in which they were made.
        final_until: windows that end up to here are final.
    """

    def __init__(
        self,
        plan: ModelPlan,
        settings: Settings,
        references: ReferenceCatalog,
        panes: Mapping[str, Pane],
        pooling: Pooling,
        publish: Callable[[WindowResult], None],
        *,
        with_labels: bool,
    ) -> None:
        """Work the windows out of these panes; each new result goes to `publish`."""
        self.plan = plan
        self.alerts: list[Alert] = []
        self.final_until = NEVER
        self._references = references
        self._panes = panes
        self._pooling = pooling
        self._publish = publish
        self._with_labels = with_labels
        self._judge = ModelJudge(plan, settings, references)
        self._keep = max(
            settings.retention.restate, plan.settings.labels.horizon if with_labels else 0
        )
        self._published = Published()
        self._results: dict[WindowKey, WindowResult] = {}
        self._revised_at: dict[WindowKey, int] = {}
        self._open: set[WindowKey] = set()
        self._changed: set[WindowKey] = set()
        self._labelled: set[WindowKey] = set()
        self._all_late: set[WindowKey] = set()
        self._starts: dict[int, set[PaneKey]] = {}
        self._crowd = pooling.crowd(plan.name)
        self._longest = max(spec.size for spec in plan.grid.specs)
        self._shelf = RunShelf(lambda: RUNS_BYTES)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Rules that can never fire on this model, or could not to the end, and why."""
        return self._judge.warnings

    @property
    def is_waiting(self) -> bool:
        """Whether some window waits for its labels, or for a revision by them."""
        return bool(self._labelled) or self._judge.is_waiting

    @property
    def last_end(self) -> int:
        """The end of the last window that is not final; NEVER without one."""
        return max((key.span.end for key in self._open), default=NEVER)

    @property
    def next_final(self) -> int | None:
        """The highest time seen at which the next window will be final; None without one."""
        ends = [key.span.end for key in self._open]
        return min(ends) + self.plan.lateness if ends else None

    def rows_changed(self, panes: Iterable[PaneKey]) -> None:
        """Rows were counted in these panes."""
        for key in self._windows(panes):
            if key.span.end > self.final_until:
                self._open.add(key)
            elif key.span.end >= self.closed_until():
                self._changed.add(key)
                if self._published.get(key) is None:
                    self._all_late.add(key)

    def displaced(self, start: int, end: int) -> None:
        """Other models came in this stretch of time: results in it may be told no more."""
        self._changed.update(k for k in self._results if k.span.start < end and start < k.span.end)

    def labels_changed(self, panes: Iterable[PaneKey]) -> None:
        """Labels were counted in these panes."""
        for key in self._windows(panes):
            if key.span.end > self.final_until:
                self._open.add(key)
            elif key in self._results:
                # Else late rows made it, and are about to be published with their labels.
                self._labelled.add(key)
            if self._crowd.is_crowded:
                self._labelled.update(p for p in pools_of(key) if p in self._results)

    def advance(self, high_ts: int) -> None:
        """The highest event time seen: windows that the watermark has passed are final.

        Rows that came for final windows since the watermark last moved are one revision.
        """
        pane = self.plan.grid.pane
        until = (high_ts - self.plan.lateness) // pane * pane
        if until <= self.final_until:
            return
        ready = {key for key in self._open if key.span.end <= until}
        self._open -= ready
        ready |= self._changed
        self._changed = set()
        self.final_until = until
        for key in sorted(ready | self._beside(ready), key=self._judge.turn):
            told = self._crowd.is_crowded and self._published.get(key) is not None
            parts = self._parts(key)
            result = assemble(self.plan, key, parts, self._references, even_empty=told)
            if result is not None:
                self._take(key, result, until + self.plan.lateness)
        if high_ts < END_OF_TIME:
            self.alerts += self._judge.tick(until)

    def judge_quality(self, label_time: int) -> None:
        """Labels up to this time are in: judge the windows whose labels are, revise others."""
        self.alerts += self._judge.quality(
            label_time, lambda key, known: self._as_labelled(key, known, label_time)
        )
        for key in sorted(self._labelled, key=turn):
            pause = max(
                self.plan.grid.smallest.size, REVISE_SHARE_OF_AGE * (label_time - key.span.end)
            )
            if not self._judge.waits(key) and label_time - self._revised_at[key] >= pause:
                self._relabel(key, label_time)

    def finish(self) -> None:
        """The end of the input: every window is final, every label is in."""
        self.advance(END_OF_TIME)
        if self._with_labels:
            self.judge_quality(END_OF_TIME)
            for key in sorted(self._labelled, key=turn):
                self._relabel(key, END_OF_TIME)

    def closed_until(self) -> int:
        """Windows that end before this take nothing any more."""
        return self.final_until - self._keep

    def close(self) -> list[PaneKey]:
        """Forget the windows that nothing can change; the panes that may go."""
        before = self.closed_until()
        for key in sorted((key for key in self._labelled if key.span.end < before), key=turn):
            self._relabel(key, self.final_until)
        self._published.forget(before)
        self._shelf.forget(before - self._longest)
        self._shelf.trim()
        for key in [key for key in self._results if key.span.end < before]:
            del self._results[key]
            del self._revised_at[key]
        gone = [start for start in self._starts if self.plan.grid.last_end_of(start) < before]
        return [key for start in gone for key in self._starts.pop(start)]

    def _windows(self, panes: Iterable[PaneKey]) -> set[WindowKey]:
        found = set()
        for pane in panes:
            index = PaneKey(pane.model, OTHER, "", pane.start)
            self._starts.setdefault(pane.start, set()).update((pane, index))
            self._crowd.saw(pane.version, pane.segment)
            self._rollups(pane.version, pane.segment).changed(pane.start)
            for span in self.plan.grid.spans_of(pane.start):
                found.add(WindowKey(span, pane.version, pane.segment))
        return found

    def _beside(self, keys: Iterable[WindowKey]) -> set[WindowKey]:
        """Other windows that change with these, as there are more names than they keep."""
        if not self._crowd.is_crowded:
            return set()
        one_each = {(key.span, key.version): key for key in keys}
        return {
            other
            for key in one_each.values()
            for other in self._pooling.beside(self.plan.name, key, self.panes_of)
            if is_pool(other) or self._published.get(other) is not None
        }

    def panes_of(self, text: str) -> tuple[Pane, ...]:
        """The pane under a text key, if there is one."""
        pane = self._panes.get(text)
        return () if pane is None else (pane,)

    def _rollups(self, version: str, segment: str) -> Rollups:
        pane = self.plan.grid.pane
        return Rollups(self.plan.counting, pane, self._shelf, (version, segment), keeps_panes=False)

    def _parts(self, key: WindowKey) -> list[Pane]:
        """The panes of a window, or runs of them; none where its rows are told elsewhere.

        Where names are told together, every window may be made of other panes: runs are for the
        panes of one name.
        """
        model, version, segment = self.plan.name, key.version, key.segment
        if self._crowd.is_crowded:
            texts = self._pooling.texts(model, key, self.panes_of)
            return [pane for text in texts for pane in self.panes_of(text)]
        return self._rollups(version, segment).parts(
            key.span, lambda start: self.panes_of(PaneKey(model, version, segment, start).text())
        )

    def _take(self, key: WindowKey, result: WindowResult, at: int) -> None:
        if key in self._all_late:
            self._all_late.discard(key)
            result = replace(result, late=result.rows)
        self._labelled.discard(key)
        revised = self._revise(key, result, at)
        self.alerts += self._judge.final(key, revised or result, again=revised is not None)

    def _revise(self, key: WindowKey, result: WindowResult, at: int) -> WindowResult | None:
        """Publish the result where it says something new."""
        revised = self._published.revise(key, result)
        if revised is not None:
            self._results[key] = revised
            self._publish(revised)
            self._published.learn(revised, at)
        self._revised_at[key] = at
        return revised

    def _relabel(self, key: WindowKey, at: int) -> None:
        self._labelled.discard(key)
        known = self._results.get(key)
        if known is None:
            return
        revised = self._revise(key, self._with_quality(key, known), at)
        if revised is not None:
            self._judge.observe_delay(revised, at)
            self.alerts += self._judge.final(key, revised, again=True)

    def _as_labelled(self, key: WindowKey, known: WindowResult, at: int) -> WindowResult:
        """The result with the labels that are in by now."""
        if key not in self._labelled:
            return known
        self._labelled.discard(key)
        return self._revise(key, self._with_quality(key, known), at) or known

    def _with_quality(self, key: WindowKey, known: WindowResult) -> WindowResult:
        parts = self._parts(key)
        if not parts:
            # Its rows are told elsewhere.
            return known
        return relabelled(known, parts, self.plan.counting)
