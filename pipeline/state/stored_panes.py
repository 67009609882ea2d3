"""Reads panes of a partition back, for a fold that runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest

from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.history import Refused
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import unpack
from pipeline.state.partitions import PartitionStore
from pipeline.windows.counting import CountingRules
from pipeline.windows.pane import Pane, PaneKey

TIMEOUT_S = 60.0
"""The client's own limits come first; this one is for an event loop that stands still."""

AT_ONCE = 200

LATEST = 500


class StoredPanes:
    """Reads panes that the owner of a partition has stored.

    Guarantee: what the owner wrote last, as long as Redis holds the owner's history. Where it
    holds another, the next write is refused, whatever was read.
    """

    def __init__(
        self,
        source: SourcePartition,
        store: PartitionStore,
        references: ReferenceCatalog,
        rules_of: Callable[[str], CountingRules],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Read panes of this partition.

        Args:
            source: the partition.
            store: what holds it; used in the loop's thread.
            references: what panes may be counted against.
            rules_of: how the rows of a model are counted.
            loop: runs in another thread than the one that asks.
        """
        self._source = source
        self._store = store
        self._references = references
        self._rules_of = rules_of
        self._loop = loop

    def __call__(self, keys: Sequence[str]) -> dict[str, Pane]:
        """The panes of these keys.

        Raises:
            Refused: one is not there: Redis holds another history.
        """
        panes: dict[str, Pane] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            reading = self._store.panes([self._source], some)
            ((_, found),) = asyncio.run_coroutine_threadsafe(reading, self._loop).result(TIMEOUT_S)
            for key, data in zip(some, found, strict=True):
                if data is None:
                    raise Refused(f"{self._source}: Redis no longer holds the pane {key!r}")
                plain = unpack(data, f"a pane of {self._source}")
                rules = self._rules_of(PaneKey.parse(key).model)
                panes[key] = Pane.restore(plain, self._references.by_fingerprint, rules)
        return panes


def latest(keys: Iterable[str]) -> list[str]:
    """The panes that whoever goes on with a partition most likely needs: those that begin last."""
    return nlargest(LATEST, keys, lambda key: PaneKey.parse(key).start)
