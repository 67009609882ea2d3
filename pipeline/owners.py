"""The input partitions that this worker owns: one owner each, stepping by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from pipeline.commit import PartitionOwner, Refused
from pipeline.decode import RawRecord
from pipeline.progress import BEAT_TTL_MS, Beat
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.transport import RETRY_FIRST_S, RETRY_MOST_S, TRANSIENT, Transport

log = logging.getLogger(__name__)

STEP_PAUSE_S = 0.1
"""Records that come within this time are counted in one step."""

BEAT_EVERY_S = 1.0

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Owners:
    """Opens, feeds and closes the owners of partitions."""

    def __init__(
        self,
        worker_id: str,
        open_owner: Callable[[SourcePartition], PartitionOwner],
        store: PartitionStore,
        transport: Transport,
        spawn: Spawn,
    ) -> None:
        """`spawn` starts a loop whose failure ends the worker."""
        self._worker_id = worker_id
        self._open_owner = open_owner
        self._store = store
        self._transport = transport
        self._spawn = spawn
        self._owners: dict[SourcePartition, PartitionOwner] = {}
        self._tasks: dict[SourcePartition, asyncio.Task[None]] = {}

    async def assign(self, sources: Iterable[SourcePartition]) -> None:
        """Own exactly these partitions."""
        wanted = set(sources)
        for source in self._owners.keys() - wanted:
            await self._close(source)
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
        for source, owner in list(self._owners.items()):
            if owner.offset is None:
                continue
            end = self._transport.end_of(source)
            beat = Beat(
                worker=self._worker_id,
                end=owner.offset + 1 if end is None else end,
                last_record_at=owner.last_record_at,
            )
            await self._store.beat(source, beat.pack(), BEAT_TTL_MS)

    def _open(self, source: SourcePartition) -> PartitionOwner:
        owner = self._open_owner(source)
        self._owners[source] = owner
        self._tasks[source] = self._spawn(_step_for_ever(owner))
        return owner

    async def _close(self, source: SourcePartition) -> None:
        del self._owners[source]
        task = self._tasks.pop(source)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
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
