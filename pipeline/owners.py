"""The input partitions that this worker owns: one owner each, stepping by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from inferwatch.tasks import end_tasks
from pipeline.commit import PartitionOwner
from pipeline.decode import RawRecord
from pipeline.log import LogEnds
from pipeline.progress import BEAT_TTL_MS, Beat
from pipeline.state.history import Refused
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.transport import RETRY_FIRST_S, RETRY_MOST_S, TRANSIENT

log = logging.getLogger(__name__)

STEP_PAUSE_S = 0.1
"""Records that come within this time are counted in one step."""

BEAT_EVERY_S = 1.0

STALLED_S = 20.0
"""Without a record for so long although there are some, the log itself is read."""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Owners:
    """Opens, feeds and closes the owners of partitions."""

    def __init__(
        self,
        worker_id: str,
        open_owner: Callable[[SourcePartition], PartitionOwner],
        store: PartitionStore,
        ends: LogEnds,
        spawn: Spawn,
    ) -> None:
        """`spawn` starts a loop whose failure ends the worker."""
        self._worker_id = worker_id
        self._open_owner = open_owner
        self._store = store
        self._ends = ends
        self._spawn = spawn
        self._owners: dict[SourcePartition, PartitionOwner] = {}
        self._tasks: dict[SourcePartition, asyncio.Task[None]] = {}

    async def assign(self, sources: Iterable[SourcePartition]) -> None:
        """Own exactly these partitions."""
        wanted = set(sources)
        await asyncio.gather(*map(self._close, self._owners.keys() - wanted))
        for source in wanted - self._owners.keys():
            self._open(source)

    async def take(self, record: RawRecord, acknowledge: Callable[[], object]) -> None:
        """Take one delivered record in; waits while its partition's inbox is full."""
        source = SourcePartition(record.topic, record.partition)
        owner = self._owners.get(source) or self._open(source)
        await owner.take(record, acknowledge)

    async def beat_for_ever(self) -> None:
        """Say every second which partitions are owned here, and how far they are."""
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            try:
                await self._beat()
            except TRANSIENT as error:
                log.warning("no beat: %s", error)

    async def _beat(self) -> None:
        loaded = {s: owner for s, owner in self._owners.items() if owner.offset is not None}
        # Where Kafka does not answer there is no beat: who does not know how long the log is
        # cannot say that it is read to its end.
        ends = await asyncio.to_thread(self._ends.read, list(loaded))
        for source, owner in loaded.items():
            beat = Beat(
                worker=self._worker_id,
                end=ends[source],
                last_record_at=owner.last_record_at,
                looked_up=owner.looked_up,
            )
            await self._store.beat(source, beat.pack(), BEAT_TTL_MS)
            stalled_s = owner.stalled_s(ends[source])
            if stalled_s > STALLED_S:
                log.warning("%s: nothing came for %.0f s; reading the log", source, stalled_s)
                owner.reach(ends[source])

    def _open(self, source: SourcePartition) -> PartitionOwner:
        owner = self._open_owner(source)
        self._owners[source] = owner
        self._tasks[source] = self._spawn(_step_for_ever(owner))
        return owner

    async def _close(self, source: SourcePartition) -> None:
        self._owners.pop(source).close()
        await end_tasks([self._tasks.pop(source)])
        log.info("%s: given up", source)


async def _step_for_ever(owner: PartitionOwner) -> None:
    pause = RETRY_FIRST_S
    while True:
        await owner.wait(1.0)
        try:
            await owner.step()
            pause = RETRY_FIRST_S
            await asyncio.sleep(STEP_PAUSE_S)
        except Refused as refused:
            log.warning("%s; loading what it holds", refused)
            await asyncio.sleep(STEP_PAUSE_S)
        except TRANSIENT as error:
            log.warning("%s: %s; again in %.1f s", owner.source, error, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MOST_S)
