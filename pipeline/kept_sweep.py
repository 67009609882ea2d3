"""The sweep of kept predictions: those that no label can ask for any more go, by the labels' time.

Where no label ever came there is no such time: then that of the predictions themselves counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from inferwatch import topics
from inferwatch.settings import Settings
from pipeline.models import longest_horizon
from pipeline.progress import Progress, read_progress
from pipeline.state.kept import KeptStore
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.transport import TRANSIENT

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 60.0


def kept_for(settings: Settings) -> int:
    r"""How far the labels' time goes past a kept prediction before it goes, milliseconds.

    >>> from inferwatch.settings import load
    >>> text = "retention: {restate: 10m}\nmodels: [{name: '*', labels: {horizon: 1h}}]"
    >>> kept_for(load(None, text=text)) // 60_000
    130
    """
    return 2 * longest_horizon(settings) + settings.retention.restate


def labels_are_in(progress: Progress, prefix: str, idle_ms: int) -> int:
    """The event time up to which no label is still to be read; NEVER where nobody can tell.

    Args:
        progress: of all partitions of labels and of predictions.
        prefix: of the topics.
        idle_ms: `limits.idle`.
    """
    labels = progress.only(topics.LABELS, prefix=prefix)
    if labels.is_read and not labels.has_rows:
        return progress.only(topics.PREDICTIONS, prefix=prefix).counted(idle_ms)
    return labels.counted(idle_ms)


class KeptSweep:
    """Lets kept predictions go."""

    def __init__(
        self,
        settings: Settings,
        store: PartitionStore,
        kept: KeptStore,
        sources: Sequence[SourcePartition],
        now_ms: Callable[[], int],
    ) -> None:
        """Sweep `kept`, by how far `sources` are, all the input partitions there are."""
        self._settings = settings
        self._store = store
        self._kept = kept
        self._sources = sources
        self._now_ms = now_ms

    async def run_for_ever(self) -> None:
        """Sweep once in a while."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self.once()
            except TRANSIENT as error:
                log.warning("kept predictions stay: %s", error)

    async def once(self) -> int:
        """Sweep; how many buckets went, those that had expired by themselves included."""
        progress = await read_progress(self._store, self._sources, self._now_ms())
        settings = self._settings
        time = labels_are_in(progress, settings.topics.prefix, settings.limits.idle)
        dropped = await self._kept.drop_before(time - kept_for(settings))
        return dropped + await self._kept.forget_expired()
