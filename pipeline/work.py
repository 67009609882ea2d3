"""What the owner of a partition does with its records: fold events, or join labels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from inferwatch.settings import Settings
from pipeline.commit import Changes
from pipeline.decode import Decoded
from pipeline.fold import Folder
from pipeline.label_memory import LabelMemory
from pipeline.labels.join import LabelJoin
from pipeline.labels.kept import KeptRows
from pipeline.labels.unresolved import UnresolvedLabels
from pipeline.models import ModelPlans
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.kept import KeptStore
from pipeline.windows.name_limit import OTHER
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER

log = logging.getLogger(__name__)

EXPIRE_EVERY = 50
"""Steps between two looks for panes that may go."""

REST_SHARE = 10
"""Looking open labels up again takes at most a tenth of an owner's time."""


class Closed(Protocol):
    """Up to which event time the windows of each model are closed for good."""

    def __call__(self) -> Mapping[str, int]:
        """Model -> milliseconds since the epoch."""


class PaneExpiry:
    """Finds the panes that no window needs any more."""

    def __init__(self, settings: Settings, closed: Closed) -> None:
        """Go by what the evaluators say is closed."""
        self._plans = ModelPlans(settings)
        self._most_models = settings.limits.models
        self._closed = closed

    def __call__(self, state: PartitionState) -> list[str]:
        """The keys of the panes that may go; models that have none left are carried no more.

        Only where more models came than the limit allows are models forgotten: a partition that
        carries a model holds its windows back.
        """
        closed = self._closed()
        # Only then may `__other__`, whose labels may come later, need the panes of a model.
        pooled = len(closed) > self._most_models
        gone = []
        left: set[str] = set()
        for text in state.panes:
            key = PaneKey.parse(text)
            if self._is_closed(key, key.model, closed) and (
                not pooled or self._plans.is_named(key.model) or self._is_closed(key, OTHER, closed)
            ):
                gone.append(text)
            else:
                left.add(key.model)
        if len(state.models) > self._most_models:
            state.models &= left
        return gone

    def _is_closed(self, key: PaneKey, model: str, closed: Mapping[str, int]) -> bool:
        """Whether no window of a model, the pane's own or `__other__`, needs the pane."""
        end = self._plans.of(model).grid.last_end_of(key.start)
        return end < closed.get(model, NEVER)


class EventWork:
    """Folds predictions, latencies and resources."""

    def __init__(
        self, folder: Folder, expiry: PaneExpiry, memory: LabelMemory | None = None
    ) -> None:
        """Fold with this folder; `memory` bounds what is kept for labels, None bounds nothing."""
        self._folder = folder
        self._expiry = expiry
        self._memory = memory
        self._steps = 0

    step_bytes = 16 * 1024 * 1024

    async def fold(self, state: PartitionState, decoded: Decoded, through: int) -> Changes:
        """Count the rows, away from the event loop: heartbeats go on meanwhile."""
        outcome = await asyncio.to_thread(self._folder.fold, state, decoded, through)
        if self._memory is not None:
            await self._bound_kept(self._memory, state, outcome.kept)
        return Changes(
            outcome.dirty,
            outcome.listed,
            outcome.gone,
            kept=outcome.kept,
            sampled=outcome.sampled,
        )

    async def _bound_kept(
        self, memory: LabelMemory, state: PartitionState, kept: Sequence[KeptRows]
    ) -> None:
        """Learn what sample is in force from the next step on.

        It is stored before a row is kept by it, and rows that an owner who was killed may have kept
        are kept again by the sample that it had: so no row is found that is not expected.
        """
        memory.keep(kept, state.high_ts)
        await memory.look()
        if state.offset < state.settled_from:
            return
        for model, times in memory.halvings.items():
            if times or model in state.label_halvings:
                state.label_halvings[model] = times

    async def idle(self, state: PartitionState) -> Changes:
        """Without records there is nothing to do but to let go what a reference was learned of."""
        return Changes(sampled=self._folder.learning.forget(state.samples))

    def is_full(self, state: PartitionState) -> bool:
        """Rows are counted as they come."""
        return False

    def expired(self, state: PartitionState) -> tuple[list[str], list[str]]:
        """Panes that no window needs any more; looked for once in a while."""
        self._steps += 1
        return ([], []) if self._steps % EXPIRE_EVERY else (self._expiry(state), [])


class LabelWork:
    """Joins labels with kept predictions."""

    step_bytes = 2 * 1024 * 1024

    def __init__(
        self,
        settings: Settings,
        references: ReferenceCatalog,
        kept: KeptStore,
        expiry: PaneExpiry,
        predictions_counted: Callable[[], Awaitable[int]],
        lookup: Callable[[], Awaitable[str]],
    ) -> None:
        """Join by these settings.

        Args:
            settings: of all models.
            references: what they name is never told as `__other__`.
            kept: where predictions are found.
            expiry: finds panes that may go.
            predictions_counted: the event time up to which predictions are counted, as it is now.
            lookup: the epoch for which all open labels are to be looked up once more.
        """
        self._join = LabelJoin(settings, references)
        self._kept = kept
        self._expiry = expiry
        self._predictions_counted = predictions_counted
        self._lookup = lookup
        self._looked_up: tuple[PartitionState | None, str] = (None, "")
        self._rest_until = 0.0
        self._steps = 0
        self._restate = settings.retention.restate
        self._unresolved = UnresolvedLabels()
        self._given_up: list[str] = []
        self._counted = NEVER

    async def fold(self, state: PartitionState, decoded: Decoded, through: int) -> Changes:
        """Look the new labels' predictions up, and count the pairs."""
        news = await asyncio.to_thread(self._join.newest, state, decoded)
        found = await self._kept.find(self._join.lookups(news))
        outcome = await asyncio.to_thread(self._join.apply, state, news, found)
        state.offset = through
        self._unresolved.add(state, len(news))
        touched = outcome.touched | await self._give_up(state)
        return Changes(outcome.dirty, outcome.listed, outcome.gone, labels=touched)

    async def idle(self, state: PartitionState) -> Changes:
        """Look open labels up once more: their predictions may have come."""
        loop = asyncio.get_running_loop()
        epoch = await self._lookup()
        again = self._looked_up[0] is not state or self._looked_up[1] != epoch
        if loop.time() < self._rest_until and not again:
            return Changes(looked_up=epoch)
        began = loop.time()
        # Read before the look-up: a row that is counted by then is kept by then.
        self._counted = await self._predictions_counted()
        watermark = self._counted - self._restate
        waiting = await asyncio.to_thread(self._join.waiting, state, watermark, again=again)
        found = await self._kept.find(self._join.lookups(waiting))
        outcome = await asyncio.to_thread(self._join.apply, state, {}, found)
        closed = self._join.close(state, waiting, watermark)
        self._looked_up = (state, epoch)
        self._rest_until = loop.time() + REST_SHARE * (loop.time() - began)
        touched = outcome.touched | closed | await self._give_up(state)
        moves = outcome.dirty, outcome.listed, outcome.gone
        return Changes(*moves, labels=touched, looked_up=epoch)

    def is_full(self, state: PartitionState) -> bool:
        """Too many labels are ahead of their predictions: nothing is lost while they wait."""
        return self._unresolved.is_full(state)

    async def _give_up(self, state: PartitionState) -> set[str]:
        """Labels without a row that are too many; they go with the next write, and are counted."""
        gone = await asyncio.to_thread(self._unresolved.give_up, state, self._counted)
        if gone:
            log.warning("%d labels that found no prediction are given up: too many wait", len(gone))
        state.totals.labels_given_up += len(gone)
        self._given_up = gone
        return set(gone)

    def expired(self, state: PartitionState) -> tuple[list[str], list[str]]:
        """Panes that no window needs, and labels past every horizon."""
        self._steps += 1
        gone, self._given_up = self._given_up, []
        if self._steps % EXPIRE_EVERY:
            return [], gone
        return self._expiry(state), gone + self._join.forgettable(state)
