"""A rebuild is not seen until it is whole.

Redis holds an epoch from the moment it is first used; when it lost everything, a new one begins.
An epoch notes the ends of the input partitions, and nothing is published or judged until each
stored offset has reached its end. After a smaller loss the evaluator waits while a partition's
offset is below the one it used last.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from pipeline.progress import Progress
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, unpack
from pipeline.state.partitions import new_generation

log = logging.getLogger(__name__)


class EpochGate:
    """Tells whether evaluation may go on."""

    def __init__(self, store: EvaluationStore) -> None:
        """The epoch is kept in this store."""
        self._store = store
        self._token = ""
        self._ends: dict[str, int] = {}
        self._used: dict[SourcePartition, int] = {}

    async def changed(
        self,
        progress: Progress,
        ends: Callable[[], Awaitable[Mapping[SourcePartition, int]]],
    ) -> bool:
        """Whether Redis holds another epoch than before: what was loaded of it must go."""
        held = await self._store.held_epoch()
        if held is None:
            noted = {str(source): end for source, end in (await ends()).items()}
            held = await self._store.epoch(pack([new_generation(), noted]))
        token, noted = unpack(held, "the epoch")
        if token == self._token:
            return False
        log.info("evaluation begins in epoch %s", token)
        self._token, self._ends = token, noted
        self._used = {}
        return True

    def open_to(self, progress: Progress) -> bool:
        """Whether everything that the epoch began with, and all that was used, is counted."""
        for source, one in progress.sources.items():
            offset = -1 if one.offset is None else one.offset
            if offset + 1 < self._ends.get(str(source), 0):
                return False
            if offset < self._used.get(source, -1):
                return False
        for source, one in progress.sources.items():
            self._used[source] = -1 if one.offset is None else one.offset
        return True
