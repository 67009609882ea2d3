"""Evaluate: panes of all partitions become window results, and results become alerts.

One worker evaluates a model. Every round it turns dirty marks into windows to work out, and works
out those that the watermark has passed: merge, publish one above what the topic says, judge in
window order. Late rows and labels make a window dirty again: it is revised, seldom enough that a
slow trickle of labels costs little.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from inferwatch.errors import InferwatchError
from inferwatch.events.alert import Alert
from inferwatch.events.json_codec import dumps
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from inferwatch.settings.types import split_address
from pipeline.assemble import assemble
from pipeline.catch_up import ends_of, known_to_be_over
from pipeline.detector_memory import Memory
from pipeline.judging import ModelJudge, parse_window, window_text
from pipeline.models import ModelPlan
from pipeline.pooled import HeldPanes, Pooled
from pipeline.progress import Progress
from pipeline.published import Published
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, unpack
from pipeline.state.partitions import PartitionStore, new_generation
from pipeline.window_panes import RunRoom, WentBackError, WindowPanes
from pipeline.windows.name_limit import OTHER
from pipeline.windows.pane import PaneKey
from pipeline.windows.result import WindowKey
from pipeline.windows.watermark import NEVER

log = logging.getLogger(__name__)

REVISE_EVERY_MS = 5_000
REVISE_SHARE_OF_AGE = 0.01
MAX_WINDOWS_A_ROUND = 200
MARKED_KNOWN = 50_000
"""Panes of which it is remembered that all windows which hold them were marked."""


class EvaluationLostError(InferwatchError):
    """What an evaluator holds is not what Redis holds: it loads that, and goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """The topics of results: what is written returns once Kafka has taken it.

    Attributes:
        published: what `monitoring.windows` says of the model, read to its end.
        memory: where what was learned outlives Redis.
    """

    window: Callable[[WindowResult], Awaitable[None]]
    alert: Callable[[bytes], Awaitable[None]]
    published: Callable[[], Awaitable[Published]]
    memory: Memory = field(default_factory=Memory)


class ModelEvaluator:
    """Evaluates one model.

    Attributes:
        has_more: whether more windows without a result were due than the last round took.
    """

    def __init__(
        self,
        plan: ModelPlan,
        settings: Settings,
        references: ReferenceCatalog,
        partitions: PartitionStore,
        evaluations: EvaluationStore,
        published: Published,
        outlets: Outlets,
        *,
        whole_from: int = NEVER,
        closed: int = NEVER,
        room: RunRoom | None = None,
    ) -> None:
        """Evaluate the model of this plan; `open` before the first round.

        Args:
            plan: of the model.
            settings: of the whole.
            references: all that are known.
            partitions: where the panes are.
            evaluations: what evaluators know.
            published: what `monitoring.windows` says of the model.
            outlets: where results go.
            whole_from: windows that begin before it may lack rows that the log lost.
            closed: windows that end before it may lack panes that are dropped already.
            room: the memory for runs of panes, where it is shared with other models.
        """
        self._plan = plan
        self._settings = settings
        self._references = references
        prefix = settings.topics.prefix
        self._panes = WindowPanes(plan, references, partitions, prefix, room or RunRoom())
        self._partitions = partitions
        self._evaluations = evaluations
        self._published = published
        self._outlets = outlets
        self._judge = ModelJudge(plan, settings, references, settings.source)
        self._longest = max(spec.size for spec in plan.grid.specs)
        self._pending: set[WindowKey] = set()
        self._marked: set[PaneKey] = set()
        self._generation = ""
        self._watermark = NEVER
        self._whole_from = whole_from
        self._closed = closed
        self._slowest = NEVER
        self._outbox: list[bytes] = []
        self._learned: tuple[bytes, bool] | None = None
        self._waited = False
        self.has_more = False
        self._pooled = Pooled(plan, settings, references, partitions)
        self._pooled.saw(published)

    @property
    def watermark(self) -> int:
        """Windows up to this event time are final."""
        return self._watermark

    async def open(self) -> None:
        """Claim the model, load what was judged and what a crash left in the outbox."""
        self._generation = new_generation()
        state, pending, outbox = await self._evaluations.claim(self._plan.name, self._generation)
        self._pending = {parse_window(text) for text in pending}
        self._pooled.saw(self._pending)
        self._outbox = list(outbox)
        if state is not None:
            self._restore(unpack(state, f"the evaluation of {self._plan.name}"))
        elif (kept := await self._outlets.memory.recall()) is not None:
            # How far the windows are final tells what is counted again; the rest is learned.
            _, *judge = unpack(kept, f"what was learned of {self._plan.name}")
            self._judge.restore(judge)
        for warning in self._judge.warnings:
            log.warning("%s: %s", self._plan.name, warning)

    @property
    def generation(self) -> str:
        """What Redis holds as long as nobody else claims the model."""
        return self._generation

    async def mark(self, panes: Sequence[PaneKey], source: SourcePartition) -> None:
        """Panes of a partition changed: the windows that hold them are to be worked out."""
        touched = set()
        for pane in panes:
            self._panes.changed(pane, source)
            # What is not final yet waits to be worked out since the pane was first marked.
            until = self._watermark if pane in self._marked else None
            for span in self._plan.grid.spans_of(pane.start, until):
                touched.add(WindowKey(span, pane.version, pane.segment))
            if pane.version == OTHER and self._pooled.is_crowded:
                # Other names came: they may have displaced some that are published already.
                touched.update(k for k in self._published if k.span.holds(pane.start))
        await self._add_pending(touched)
        if len(self._marked) > MARKED_KNOWN:
            self._marked.clear()
        self._marked.update(panes)

    async def overheard(self, result: WindowResult, at: int) -> None:
        """Another worker published a window of this model: look whether it is right."""
        await self._add_pending({self._published.learn(result, at)})

    async def _add_pending(self, keys: Iterable[WindowKey]) -> None:
        new = set(keys) - self._pending
        self._pooled.saw(new)
        texts = [window_text(key) for key in new]
        name = self._plan.name
        if texts and not await self._evaluations.add_pending(name, self._generation, texts):
            raise EvaluationLostError(f"another worker evaluates {name} now")
        self._pending |= new

    async def round(self, progress: Progress, *, behind: bool = False) -> int:
        """Work out what is ready; the number of windows that were looked at.

        Args:
            progress: how far the partitions are.
            behind: a backlog is caught up: alerts wait, for it may show that they are over.

        Raises:
            EvaluationLostError: another worker evaluates this model now, or a partition holds less
                than `progress` says: it is being rebuilt.
        """
        try:
            found = await self._round(progress)
        except WentBackError as error:
            raise EvaluationLostError(str(error)) from error
        waited, self._waited = self._waited, behind
        if self._outbox and not behind:
            await self._check_claim()
            await self._send_outbox(ends_of(self._outbox) if waited else {})
        if self._learned is not None and not self._outbox:
            # Not before: what it says was judged has been told.
            learned, news = self._learned
            if await self._outlets.memory.remember(learned, progress.now_ms, at_once=news):
                self._learned = None
        return found

    async def _round(self, progress: Progress) -> int:
        settings = self._settings
        prefix = settings.topics.prefix
        reached = progress.watermark(
            self._plan.name, prefix, self._plan.lateness, settings.limits.idle
        )
        self._watermark = max(self._watermark, reached)
        self._slowest = progress.slowest(self._plan.name, prefix)
        self._pooled.look(progress)
        held = self._pooled.held(progress)
        ready = self._due(progress)
        if ready and self._pooled.is_crowded:
            await self._add_pending(await self._pooled.beside(ready, self._published, held))
            ready = self._due(progress)
        label_time = progress.label_time(prefix, settings.limits.idle)
        alerts: list[Alert] = []
        if any(key.span.end < self._published.forgotten_before for key in ready):
            self._published = await self._outlets.published()
        if ready:
            results = await self._results(ready, progress, held)
            for key, result in zip(ready, results, strict=True):
                if result is not None:
                    alerts += await self._publish(key, result, progress.now_ms, label_time)
            if self._plan.name == OTHER:
                taken_in = await self._pooled.taken_in(ready, held)
                await self._partitions.mark(next(iter(progress.sources)), taken_in)
        if not self.has_more:
            # Every window up to the watermark was judged: what has none is a silence.
            alerts += self._judge.tick(self._watermark)
        alerts += await self._judge_quality(label_time, progress)
        if ready or alerts:
            await self._write(ready, alerts)
        return len(ready)

    async def _check_claim(self) -> None:
        if not await self._evaluations.holds(self._plan.name, self._generation):
            raise EvaluationLostError(f"another worker evaluates {self._plan.name} now")

    def _due(self, progress: Progress) -> list[WindowKey]:
        """The windows to work out now, in the order of judging; first those without a result."""
        ready = [key for key in self._pending if self._is_ready(key, progress.now_ms)]
        ready.sort(key=self._judge.turn)
        first = [key for key in ready if self._published.get(key) is None]
        again = [key for key in ready if self._published.get(key) is not None]
        self.has_more = len(first) > MAX_WINDOWS_A_ROUND
        return sorted((first + again)[:MAX_WINDOWS_A_ROUND], key=self._judge.turn)

    def _is_ready(self, key: WindowKey, now_ms: int) -> bool:
        if key.span.end > self._watermark:
            return False
        known = self._published.get(key)
        if known is None:
            return True
        age = max(0, self._watermark - key.span.end)
        return now_ms - known.at >= max(REVISE_EVERY_MS, REVISE_SHARE_OF_AGE * age)

    async def _results(
        self, keys: Sequence[WindowKey], progress: Progress, held: HeldPanes
    ) -> list[WindowResult | None]:
        """The results of windows as the panes of all partitions give them now.

        Raises:
            EvaluationLostError: another worker evaluates this model now.
            WentBackError: a partition holds less than `progress` says: it is being rebuilt.
        """
        # Whoever evaluates it now takes the marks that tell which runs of panes are stale.
        await self._check_claim()
        crowded = self._pooled.is_crowded
        if crowded:
            found = await self._pooled.panes(keys, held)
        else:
            found = await self._panes.of(keys, progress)
        return [
            assemble(
                self._plan,
                key,
                panes,
                self._references,
                even_empty=crowded and self._published.get(key) is not None,
            )
            for key, panes in zip(keys, found, strict=True)
        ]

    async def _publish(
        self, key: WindowKey, result: WindowResult, now_ms: int, label_time: int
    ) -> list[Alert]:
        if key.span.start < self._whole_from or key.span.end < self._closed:
            if self._published.get(key) is not None:
                # Rows of it are gone for good: the result that the topic has is a better one.
                return []
            result = replace(result, completeness=None)
        revised = self._published.revise(key, result)
        if revised is not None:
            self._judge.observe_delay(revised, label_time)
            await self._outlets.window(revised)
            self._published.learn(revised, now_ms)
        return self._judge.final(key, revised or result, again=revised is not None)

    async def _judge_quality(self, label_time: int, progress: Progress) -> list[Alert]:
        """Judge the quality of windows whose labels are in; read what a restart forgot."""
        alerts = self._judge.quality(label_time)
        while unread := self._judge.unread():
            held = self._pooled.held(progress)
            results = await self._results(unread, progress, held)
            for key, result in zip(unread, results, strict=True):
                self._judge.reread(key, result)
            alerts += self._judge.quality(label_time)
        return alerts

    async def _write(self, done: Sequence[WindowKey], alerts: Sequence[Alert]) -> None:
        packed = [dumps(replace(a, dashboard_url=self._link(a))) for a in alerts]
        generation, state = new_generation(), pack(self._snapshot())
        took = await self._evaluations.write(
            self._plan.name,
            expected=self._generation,
            generation=generation,
            state=state,
            done=[window_text(key) for key in done],
            alerts=packed,
        )
        if not took:
            raise EvaluationLostError(f"another worker evaluates {self._plan.name} now")
        self._generation = generation
        self._pending.difference_update(done)
        self._outbox += packed
        closed = self.closed_until()
        self._published.forget(closed)
        self._judge.forget(closed)
        self._pooled.forget(closed)
        self._panes.forget(closed - self._longest)
        news = bool(alerts) or (self._learned is not None and self._learned[1])
        self._learned = (state, news)

    def _link(self, alert: Alert) -> str | None:
        """Where the dashboard shows the incident; None where its address is not one to go to."""
        listen = self._settings.dashboard.listen
        host, port = split_address(listen)
        if port == 0 or host in ("0.0.0.0", "::"):
            return None
        return f"http://{listen}/#/incident/{alert.incident}"

    async def _send_outbox(self, ends: Mapping[str, int]) -> None:
        """Publish what waits; `ends` are those of incidents that are known to be over."""
        while self._outbox:
            await self._outlets.alert(known_to_be_over(self._outbox[0], ends))
            await self._evaluations.sent(self._plan.name, self._outbox[0])
            del self._outbox[0]

    def closed_until(self) -> int:
        """Windows that end before it take nothing any more: their panes may go.

        That is decided by the slowest partition, as long as it is not silent for longer than
        `retention.history`, and not before every window that is to be worked out was.
        """
        retention = self._settings.retention
        keep = max(retention.restate, self._plan.settings.labels.horizon) + self._plan.lateness
        reached = max(self._watermark - retention.history, min(self._watermark, self._slowest))
        oldest = min((key.span.end for key in self._pending), default=self._watermark)
        self._closed = max(self._closed, min(reached - keep, oldest))
        return self._closed

    def _snapshot(self) -> list[Any]:
        return [self._watermark, *self._judge.snapshot()]

    def _restore(self, plain: list[Any]) -> None:
        self._watermark, *judge = plain
        self._judge.restore(judge)
