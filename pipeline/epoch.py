"""A rebuild is not seen until it is whole.

Redis holds an epoch from the moment it is first used; when it lost everything, a new one begins.
An epoch notes the ends of the input partitions, and nothing is published or judged until each
stored offset has reached its end and each labels partition has then looked up its open labels once
more. After a smaller loss the evaluator waits while a partition's offset is below the one it used
last.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from inferwatch import topics
from pipeline.progress import Progress
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, unpack
from pipeline.state.partitions import new_generation
from pipeline.windows.watermark import NEVER

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogSpan:
    """What the logs of the input partitions hold.

    Attributes:
        ends: the offset after the last of each.
        whole_from: T0, the latest of the first record times of those whose beginning is gone:
            no rows are missing from then on. NEVER where all begin at offset 0.
    """

    ends: Mapping[SourcePartition, int]
    whole_from: int


@dataclass(frozen=True, slots=True)
class Rebuild:
    """How much of what an epoch began with is counted: `counted` of `of` records of the log."""

    counted: int
    of: int


def rebuild_of(
    epoch: bytes,
    offsets: Mapping[SourcePartition, int | None],
    firsts: Mapping[SourcePartition, int],
) -> Rebuild | None:
    """What is still missing of an epoch; None where all of it is counted.

    Args:
        epoch: as Redis holds it.
        offsets: the last offset counted of each input partition, None where nothing is stored.
        firsts: the first offset that the log of each still holds.

    >>> one = SourcePartition("inference.labels", 0)
    >>> epoch = pack(["token", {str(one): 90}, NEVER])
    >>> rebuild_of(epoch, {one: 29}, {one: 10}), rebuild_of(epoch, {one: 89}, {one: 10})
    (Rebuild(counted=20, of=80), None)
    """
    _, ends, _ = unpack(epoch, "the epoch")
    counted = of = 0
    for source, offset in offsets.items():
        first, end = firsts[source], ends.get(str(source), 0)
        of += max(0, end - first)
        if offset is not None:
            counted += max(0, min(offset + 1, end) - first)
    return Rebuild(counted, of) if counted < of else None


class EpochGate:
    """Tells whether evaluation may go on.

    Attributes:
        whole_from: windows that begin before it may lack rows that the log lost before the epoch
            began.
    """

    def __init__(self, store: EvaluationStore, prefix: str) -> None:
        """The epoch is kept in this store; topics have this prefix."""
        self._store = store
        self._prefix = prefix
        self._is_whole = False
        self.whole_from = NEVER
        self._token = ""
        self._ends: dict[str, int] = {}
        self._used: dict[SourcePartition, int] = {}

    @property
    def token(self) -> str:
        """Names the epoch that Redis was in when it was last looked at."""
        return self._token

    async def changed(
        self,
        progress: Progress,
        span: Callable[[], Awaitable[LogSpan]],
    ) -> bool:
        """Whether Redis holds another epoch than before: what was loaded of it must go."""
        held = await self._store.held_epoch()
        if held is None:
            log_span = await span()
            noted = {str(source): end for source, end in log_span.ends.items()}
            held = await self._store.epoch(pack([new_generation(), noted, log_span.whole_from]))
        token, noted, whole_from = unpack(held, "the epoch")
        if token == self._token:
            return False
        log.info("evaluation begins in epoch %s", token)
        self._token, self._ends, self.whole_from = token, noted, whole_from
        self._used = {}
        self._is_whole = False
        return True

    async def open_to(self, progress: Progress) -> bool:
        """Whether everything that the epoch began with, and all that was used, is counted."""
        for source, one in progress.sources.items():
            offset = -1 if one.offset is None else one.offset
            if offset + 1 < self._ends.get(str(source), 0):
                return False
            if offset < self._used.get(source, -1):
                return False
        if not self._is_whole and not await self._labels_looked_up(progress):
            return False
        self._is_whole = True
        for source, one in progress.sources.items():
            self._used[source] = -1 if one.offset is None else one.offset
        return True

    async def _labels_looked_up(self, progress: Progress) -> bool:
        """Whether the labels partitions have looked for the predictions that are all kept now."""
        if await self._store.lookup() != self._token:
            await self._store.call_lookup(self._token)
            return False
        return all(
            one.beat is not None and one.beat.looked_up == self._token
            for one in progress.of_kind(topics.LABELS, prefix=self._prefix)
        )
