"""What the owner of a partition does with its records: fold events, or join labels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from inferwatch.settings import Settings
from pipeline.commit import Changes
from pipeline.decode import Decoded
from pipeline.fold import Folder
from pipeline.labels.join import LabelJoin
from pipeline.models import ModelPlans, longest_horizon
from pipeline.partition import PartitionState
from pipeline.state.kept import KeptStore
from pipeline.windows.pane import PaneKey
from pipeline.windows.watermark import NEVER

EXPIRE_EVERY = 50
"""Steps between two looks for panes that may go."""


class Closed(Protocol):
    """Up to which event time the windows of each model are closed for good."""

    def __call__(self) -> Mapping[str, int]:
        """Model -> milliseconds since the epoch."""


class PaneExpiry:
    """Finds the panes that no window needs any more, once in a while."""

    def __init__(self, settings: Settings, closed: Closed) -> None:
        """Go by what the evaluators say is closed."""
        self._plans = ModelPlans(settings)
        self._closed = closed
        self._steps = 0

    def __call__(self, state: PartitionState) -> list[str]:
        """The keys of the panes that may go."""
        self._steps += 1
        if self._steps % EXPIRE_EVERY:
            return []
        closed = self._closed()
        gone = []
        for text in state.panes:
            key = PaneKey.parse(text)
            grid = self._plans.of(key.model).grid
            if grid.last_end_of(key.start) < closed.get(key.model, NEVER):
                gone.append(text)
        return gone


class EventWork:
    """Folds predictions, latencies and resources."""

    def __init__(self, folder: Folder, expiry: PaneExpiry) -> None:
        """Fold with this folder."""
        self._folder = folder
        self._expiry = expiry

    async def fold(self, state: PartitionState, decoded: Decoded, through: int) -> Changes:
        """Count the rows, away from the event loop: heartbeats go on meanwhile."""
        outcome = await asyncio.to_thread(self._folder.fold, state, decoded, through)
        return Changes(dirty=outcome.dirty, kept=outcome.kept)

    async def idle(self, state: PartitionState) -> Changes:
        """Nothing is to do without records."""
        return Changes()

    def expired(self, state: PartitionState) -> tuple[list[str], list[str]]:
        """Panes that no window needs any more."""
        return self._expiry(state), []


class LabelWork:
    """Joins labels with kept predictions."""

    def __init__(
        self,
        settings: Settings,
        kept: KeptStore,
        expiry: PaneExpiry,
        predictions_watermark: Callable[[], int],
    ) -> None:
        """Join by these settings; `predictions_watermark` tells how far predictions are counted."""
        self._join = LabelJoin(settings)
        self._kept = kept
        self._expiry = expiry
        self._watermark = predictions_watermark
        self._restate = settings.retention.restate
        self._horizon = longest_horizon(settings)

    async def fold(self, state: PartitionState, decoded: Decoded, through: int) -> Changes:
        """Look the new labels' predictions up, and count the pairs."""
        news = self._join.newest(state, decoded)
        found = await self._kept.find([(i, record.ts) for i, record in news.items()])
        outcome = self._join.apply(state, news, found)
        state.offset = through
        return Changes(dirty=outcome.dirty, labels=outcome.touched)

    async def idle(self, state: PartitionState) -> Changes:
        """Look open labels up once more: their predictions may have come."""
        watermark = self._watermark() - self._restate
        waiting = self._join.waiting(state, watermark)
        if not waiting:
            return Changes()
        found = await self._kept.find(waiting)
        outcome = self._join.apply(state, {}, found)
        closed = self._join.close(state, waiting, watermark)
        return Changes(dirty=outcome.dirty, labels=outcome.touched | closed)

    def expired(self, state: PartitionState) -> tuple[list[str], list[str]]:
        """Panes that no window needs, and labels past every horizon."""
        panes = self._expiry(state)
        if not panes:
            return [], []
        before = state.high_ts - self._horizon - self._restate
        return panes, [i for i, r in state.labels.items() if not r.open and r.ts < before]
