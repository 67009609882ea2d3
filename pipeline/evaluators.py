"""The models that this worker evaluates: rounds over dirty marks and watermarks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pipeline.epoch import EpochGate
from pipeline.evaluate import EvaluationLostError, ModelEvaluator
from pipeline.progress import Progress, read_progress
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.transport import RETRY_FIRST_S, RETRY_MOST_S, TRANSIENT
from pipeline.windows.pane import PaneKey

log = logging.getLogger(__name__)

ROUND_EVERY_S = 0.2
"""A lost notice is made up for by the next round."""


class Evaluators:
    """Opens the evaluators of the models that are evaluated here, and runs their rounds."""

    def __init__(
        self,
        sources: Sequence[SourcePartition],
        store: PartitionStore,
        evaluations: EvaluationStore,
        open_evaluator: Callable[[str], Awaitable[ModelEvaluator]],
        ends: Callable[[], Awaitable[Mapping[SourcePartition, int]]],
        now_ms: Callable[[], int],
    ) -> None:
        """Evaluate from these input partitions."""
        self._sources = sources
        self._store = store
        self._evaluations = evaluations
        self._epoch = EpochGate(evaluations)
        self._open_evaluator = open_evaluator
        self._ends = ends
        self._now_ms = now_ms
        self._mine: Callable[[str], bool] = lambda _: False
        self._evaluators: dict[str, ModelEvaluator] = {}
        self._wake = asyncio.Event()
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
        mine = {model for model in self.progress.models if self._mine(model)}
        for model in self._evaluators.keys() - mine:
            del self._evaluators[model]
        if await self._epoch.changed(self.progress, self._ends):
            self._evaluators.clear()
        if not mine or not self._epoch.open_to(self.progress):
            return
        for model in sorted(mine - self._evaluators.keys()):
            self._evaluators[model] = await self._open_evaluator(model)
            log.info("%s: evaluated here", model)
        await self._take_marks()
        closed = {}
        for model, evaluator in self._evaluators.items():
            await evaluator.round(self.progress)
            closed[model] = evaluator.closed_until()
        await self._evaluations.say_closed(closed)

    async def _take_marks(self) -> None:
        """Turn the dirty marks of all partitions into windows to work out, then clean them."""
        found = await self._store.marks(self._sources)
        for source, marks in zip(self._sources, found, strict=True):
            panes: dict[str, list[PaneKey]] = {}
            taken: dict[str, str] = {}
            for text, token in marks.items():
                pane = PaneKey.parse(text)
                if pane.model in self._evaluators:
                    panes.setdefault(pane.model, []).append(pane)
                    taken[text] = token
            for model, touched in panes.items():
                await self._evaluators[model].mark(touched)
            await self._store.clean(source, taken)
