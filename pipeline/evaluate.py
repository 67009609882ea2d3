"""Evaluate: panes of all partitions become window results, and results become alerts.

One worker evaluates a model. Every round it turns dirty marks into windows to work out, and works
out those that the watermark has passed: merge, publish one above what the topic says, judge in
window order. Late rows and labels make a window dirty again: it is revised, seldom enough that a
slow trickle of labels costs little.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferwatch.errors import InferwatchError
from inferwatch.events.alert import Alert
from inferwatch.events.json_codec import dumps
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from pipeline.models import ModelPlan
from pipeline.progress import Progress
from pipeline.published import Published
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.rules.readiness import QualityReadiness
from pipeline.rules.watch import ModelWatch
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, unpack
from pipeline.state.partitions import PartitionStore, new_generation
from pipeline.windows.grid import Span
from pipeline.windows.names import join_names, split_names
from pipeline.windows.pane import Counts, Pane, PaneKey
from pipeline.windows.result import WindowKey, window_result
from pipeline.windows.watermark import NEVER

log = logging.getLogger(__name__)

REVISE_EVERY_MS = 5_000
REVISE_SHARE_OF_AGE = 0.01
MAX_WINDOWS_A_ROUND = 200


class EvaluationLostError(InferwatchError):
    """Another worker evaluates this model now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Where results go: each returns once Kafka has taken it."""

    window: Callable[[WindowResult], Awaitable[None]]
    alert: Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Judged:
    """How far the windows of each track were judged: their ends."""

    final: dict[tuple[str, str, str], int] = field(default_factory=dict)
    quality: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            [[*track, end] for track, end in part.items()] for part in (self.final, self.quality)
        ]

    @classmethod
    def restore(cls, plain: list[Any]) -> Judged:
        """What `snapshot` gave."""
        return cls(*({(a, b, c): end for a, b, c, end in part} for part in plain))


class ModelEvaluator:
    """Evaluates one model."""

    def __init__(
        self,
        plan: ModelPlan,
        settings: Settings,
        references: ReferenceCatalog,
        partitions: PartitionStore,
        evaluations: EvaluationStore,
        published: Published,
        outlets: Outlets,
    ) -> None:
        """Evaluate the model of this plan; `open` before the first round."""
        self._plan = plan
        self._settings = settings
        self._references = references
        self._partitions = partitions
        self._evaluations = evaluations
        self._published = published
        self._outlets = outlets
        self._watch = ModelWatch(
            plan.settings, settings.rules, retention_ms=settings.retention.history
        )
        for warning in self._watch.warnings:
            log.warning("%s: %s", plan.name, warning)
        self._readiness = QualityReadiness(
            horizon_ms=plan.settings.labels.horizon,
            wait_ms=plan.settings.labels.wait,
            step_ms=plan.grid.smallest.size,
        )
        self._judged = Judged()
        self._unjudged: dict[WindowKey, WindowResult | None] = {}
        self._pending: set[WindowKey] = set()
        self._generation = ""
        self._watermark = NEVER
        self._outbox: list[bytes] = []

    @property
    def watermark(self) -> int:
        """Windows up to this event time are final."""
        return self._watermark

    async def open(self) -> None:
        """Load what was judged, and send what a crash left in the outbox."""
        generation, state, pending, outbox = await self._evaluations.load(self._plan.name)
        self._generation = generation
        self._pending = {_parse_window(text) for text in pending}
        self._outbox = list(outbox)
        if state is not None:
            self._restore(unpack(state, f"the evaluation of {self._plan.name}"))
        await self._send_outbox()

    async def mark(self, panes: Iterable[PaneKey]) -> None:
        """Panes changed: the windows that hold them are to be worked out."""
        touched = {
            WindowKey(span, pane.version, pane.segment)
            for pane in panes
            for span in self._plan.grid.spans_of(pane.start)
        }
        await self._evaluations.add_pending(
            self._plan.name, [_window_text(key) for key in touched - self._pending]
        )
        self._pending |= touched

    async def round(self, progress: Progress) -> int:
        """Work out what is ready; the number of windows that were looked at.

        Raises:
            EvaluationLostError: another worker evaluates this model now.
        """
        settings = self._settings
        prefix = settings.topics.prefix
        reached = progress.watermark(
            self._plan.name, prefix, self._plan.lateness, settings.limits.idle
        )
        self._watermark = max(self._watermark, reached)
        due = (key for key in self._pending if self._is_ready(key, progress.now_ms))
        ready = sorted(due, key=_turn)[:MAX_WINDOWS_A_ROUND]
        label_time = progress.label_time(prefix, settings.limits.idle)
        alerts: list[Alert] = []
        if ready:
            results = await self._results(ready, list(progress.sources))
            for key, result in zip(ready, results, strict=True):
                if result is not None:
                    alerts += await self._publish(key, result, progress.now_ms, label_time)
        alerts += await self._judge_quality(label_time, list(progress.sources))
        if ready or alerts:
            await self._write(ready, alerts)
            await self._send_outbox()
        return len(ready)

    def _is_ready(self, key: WindowKey, now_ms: int) -> bool:
        if key.span.end > self._watermark:
            return False
        known = self._published.get(key)
        if known is None:
            return True
        age = max(0, self._watermark - key.span.end)
        return now_ms - known.at >= max(REVISE_EVERY_MS, REVISE_SHARE_OF_AGE * age)

    async def _results(
        self, keys: Sequence[WindowKey], sources: Sequence[SourcePartition]
    ) -> list[WindowResult | None]:
        """The results of windows as the panes of all partitions give them now."""
        name = self._plan.name
        fields = {
            PaneKey(name, key.version, key.segment, start).text(): None
            for key in keys
            for start in self._plan.grid.panes_of(key.span)
        }
        answers = await self._partitions.panes(sources, list(fields))
        panes: dict[str, list[Pane]] = {}
        for packed in answers:
            for text, data in zip(fields, packed, strict=True):
                if data is not None:
                    plain = unpack(data, f"a pane of {name}")
                    known = self._references.by_fingerprint
                    pane = Pane.restore(plain, known, self._plan.counting)
                    panes.setdefault(text, []).append(pane)
        return [self._result(key, panes) for key in keys]

    def _result(self, key: WindowKey, panes: Mapping[str, list[Pane]]) -> WindowResult | None:
        counts = Counts(self._plan.counting)
        for start in self._plan.grid.panes_of(key.span):
            text = PaneKey(self._plan.name, key.version, key.segment, start).text()
            for pane in panes.get(text, ()):
                pane.merge_into(counts, key.span.end)
        if counts.empty:
            return None
        reference = self._references.in_force(self._plan.name, key.version, key.span.start)
        return window_result(
            self._plan.name,
            key,
            counts,
            reference=None if reference is None else reference.fingerprint,
            provisional=reference is not None and reference.provisional,
        )

    async def _publish(
        self, key: WindowKey, result: WindowResult, now_ms: int, label_time: int
    ) -> list[Alert]:
        revised = self._published.revise(key, result)
        if revised is not None:
            self._readiness.observe_delay(revised, label_time)
            await self._outlets.window(revised)
            self._published.learn(revised, now_ms)
        return self._judge_final(key, revised or result, again=revised is not None)

    def _judge_final(self, key: WindowKey, result: WindowResult, *, again: bool) -> list[Alert]:
        reference = self._references.in_force(self._plan.name, key.version, key.span.start)
        if key in self._unjudged:
            self._unjudged[key] = result
        if key.span.end > self._judged.final.get(key.track, NEVER):
            self._judged.final[key.track] = key.span.end
            self._unjudged[key] = result
            return self._watch.judge(result, part="final", reference=reference)
        if not again:
            return []
        # A later revision can only correct what an alert said.
        alerts = self._watch.judge(result, part="final", reference=reference)
        if key.span.end <= self._judged.quality.get(key.track, NEVER):
            alerts += self._watch.judge(result, part="quality", reference=reference)
        return alerts

    async def _judge_quality(
        self, label_time: int, sources: Sequence[SourcePartition]
    ) -> list[Alert]:
        """Judge the quality of windows whose labels are in, in window order."""
        step = self._plan.grid.smallest.size
        time = label_time // step * step
        alerts: list[Alert] = []
        waiting: set[tuple[str, str, str]] = set()
        for key in sorted(self._unjudged, key=_turn):
            if key.track in waiting:
                continue
            result = self._unjudged[key]
            if result is None:
                result = (await self._results([key], sources))[0]
                self._unjudged[key] = result
            if result is not None and not self._readiness.ready(result, time):
                waiting.add(key.track)
                continue
            del self._unjudged[key]
            self._judged.quality[key.track] = key.span.end
            if result is not None:
                reference = self._references.in_force(self._plan.name, key.version, key.span.start)
                alerts += self._watch.judge(result, part="quality", reference=reference)
        return alerts

    async def _write(self, done: Sequence[WindowKey], alerts: Sequence[Alert]) -> None:
        packed = [dumps(alert) for alert in alerts]
        generation = new_generation()
        took = await self._evaluations.write(
            self._plan.name,
            expected=self._generation,
            generation=generation,
            state=pack(self._snapshot()),
            done=[_window_text(key) for key in done],
            alerts=packed,
        )
        if not took:
            raise EvaluationLostError(f"another worker evaluates {self._plan.name} now")
        self._generation = generation
        self._pending.difference_update(done)
        self._outbox += packed
        self._published.forget(self._forget_before())

    async def _send_outbox(self) -> None:
        while self._outbox:
            await self._outlets.alert(self._outbox[0])
            await self._evaluations.sent(self._plan.name, self._outbox[0])
            del self._outbox[0]

    def closed_until(self) -> int:
        """Windows that end up to here take nothing any more: their panes may go."""
        return self._forget_before()

    def _forget_before(self) -> int:
        keep = max(self._settings.retention.restate, self._plan.settings.labels.horizon)
        return self._watermark - keep

    def _snapshot(self) -> list[Any]:
        return [
            self._watermark,
            self._judged.snapshot(),
            [_window_text(key) for key in self._unjudged],
            self._readiness.snapshot(),
            self._watch.snapshot(),
        ]

    def _restore(self, plain: list[Any]) -> None:
        self._watermark, judged, unjudged, readiness, watch = plain
        self._judged = Judged.restore(judged)
        self._unjudged = {_parse_window(text): None for text in unjudged}
        self._readiness.restore(readiness)
        self._watch.restore(watch)


def _turn(key: WindowKey) -> tuple[Span, str, bool, str]:
    return key.turn


def _window_text(key: WindowKey) -> str:
    span = key.span
    return join_names(key.version, key.segment, span.text, str(span.size), str(span.end))


def _parse_window(text: str) -> WindowKey:
    version, segment, window, size, end = split_names(text)
    return WindowKey(Span(int(end), int(size), window), version, segment)
