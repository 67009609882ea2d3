"""The models that this worker evaluates: rounds over dirty marks and watermarks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pipeline.catch_up import CatchUp
from pipeline.epoch import EpochGate, LogSpan
from pipeline.evaluate import EvaluationLostError, ModelEvaluator
from pipeline.progress import Progress, read_progress
from pipeline.published import Published
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.transport import RETRY_FIRST_S, RETRY_MOST_S, TRANSIENT
from pipeline.windows.name_limit import OTHER
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER
from pipeline.windows_log import WindowsLog

log = logging.getLogger(__name__)

ROUND_EVERY_S = 0.2
"""A lost notice is made up for by the next round."""

OVERHEAR_EVERY_S = 1.0

OpenEvaluator = Callable[[str, Published, int, int], ModelEvaluator]
"""Opens the evaluator of a model: what the topic says of it, from when on the log is whole, and up
to when the model's windows are closed."""

Learn = Callable[[Mapping[str, int]], Awaitable[None]]
"""Learns first references, by the watermarks of the models evaluated here."""


async def learn_nothing(watermarks: Mapping[str, int]) -> None:
    """For models whose references are all given."""


class Evaluators:
    """Opens the evaluators of the models that are evaluated here, and runs their rounds."""

    def __init__(
        self,
        sources: Sequence[SourcePartition],
        store: PartitionStore,
        evaluations: EvaluationStore,
        windows: WindowsLog,
        epoch: EpochGate,
        open_evaluator: OpenEvaluator,
        span: Callable[[], Awaitable[LogSpan]],
        now_ms: Callable[[], int],
        learn: Learn = learn_nothing,
    ) -> None:
        """Evaluate from these input partitions."""
        self._sources = sources
        self._store = store
        self._evaluations = evaluations
        self._windows = windows
        self._epoch = epoch
        self._open_evaluator = open_evaluator
        self._span = span
        self._now_ms = now_ms
        self._learn = learn
        self._catch_up = CatchUp()
        self._mine: Callable[[str], bool] = lambda _: False
        self._evaluators: dict[str, ModelEvaluator] = {}
        self._wake = asyncio.Event()
        self._overhear_at = 0.0
        self.progress = Progress(0, {})
        self.closed: Mapping[str, int] = {}

    def assign(self, mine: Callable[[str], bool]) -> None:
        """Evaluate exactly the models that `mine` says yes to."""
        self._mine = mine

    def wake(self) -> None:
        """A notice came: evaluate now, not at the next round."""
        self._wake.set()

    async def run_for_ever(self) -> None:
        """Rounds, for ever; a lost or unreachable Redis makes it start over."""
        pause = RETRY_FIRST_S
        while True:
            await self._rest()
            try:
                await self._round()
                pause = RETRY_FIRST_S
            except EvaluationLostError as lost:
                log.warning("%s; loading what it wrote", lost)
                self._evaluators.clear()
            except TRANSIENT as error:
                log.warning("evaluation: %s; again in %.1f s", error, pause)
                self._evaluators.clear()
                self._catch_up.begin()
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST_S)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(ROUND_EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _round(self) -> None:
        self.progress = await read_progress(self._store, self._sources, self._now_ms())
        self.closed = await self._evaluations.closed()
        mine = {model for model in (*self.progress.models, OTHER) if self._mine(model)}
        for model in self._evaluators.keys() - mine:
            del self._evaluators[model]
        if await self._epoch.changed(self.progress, self._span):
            self._evaluators.clear()
            self._catch_up.begin()
        self._catch_up.look(self.progress)
        if not self.progress.models or not mine or not await self._epoch.open_to(self.progress):
            return
        await self._open(sorted(mine - self._evaluators.keys()))
        await self._overhear()
        await self._take_marks()
        closed = {}
        for model, evaluator in self._evaluators.items():
            await evaluator.round(self.progress, behind=self._catch_up.behind(model))
            if not evaluator.has_more:
                self._catch_up.worked_out(model)
            closed[model] = evaluator.closed_until()
        await self._evaluations.say_closed(closed)
        await self._learn({model: one.watermark for model, one in self._evaluators.items()})

    async def _open(self, models: Sequence[str]) -> None:
        if not models:
            return
        published = await asyncio.to_thread(self._windows.read, models)
        for model in models:
            evaluator = self._open_evaluator(
                model, published[model], self._epoch.whole_from, self.closed.get(model, NEVER)
            )
            await evaluator.open()
            self._evaluators[model] = evaluator
            log.info("%s: evaluated here", model)

    async def _overhear(self) -> None:
        """A zombie's late result stands for one round."""
        now = asyncio.get_running_loop().time()
        if now < self._overhear_at:
            return
        self._overhear_at = now + OVERHEAR_EVERY_S
        for result, at in await asyncio.to_thread(self._windows.overhear, list(self._evaluators)):
            await self._evaluators[result.model].overheard(result, at)

    async def _take_marks(self) -> None:
        """Turn the dirty marks of all partitions into windows to work out, then clean them."""
        found = await self._store.marks(self._sources)
        taken_from: dict[SourcePartition, dict[str, str]] = {}
        marked: set[str] = set()
        for source, marks in zip(self._sources, found, strict=True):
            panes: dict[str, list[PaneKey]] = {}
            taken: dict[str, str] = {}
            for text, token in marks.items():
                pane = PaneKey.parse(text)
                if pane.model in self._evaluators:
                    panes.setdefault(pane.model, []).append(pane)
                    taken[text] = token
            for model, touched in panes.items():
                await self._evaluators[model].mark(touched, source)
            marked.update(panes)
            taken_from[source] = taken
        await self._check_claims(sorted(marked))
        for source, taken in taken_from.items():
            await self._store.clean(source, taken)

    async def _check_claims(self, models: Sequence[str]) -> None:
        """Marks are cleaned only by who holds their models still.

        A window that waits here already was not written again: where Redis has gone back since, it
        does not wait there, and the mark is all that is left of it.

        Raises:
            EvaluationLostError: one of them is held by another, or Redis went back.
        """
        if not models:
            return
        held = await self._evaluations.generations(models)
        for model, generation in zip(models, held, strict=True):
            if generation != self._evaluators[model].generation:
                raise EvaluationLostError(f"another worker evaluates {model} now")
