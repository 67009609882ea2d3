"""The commit protocol: how a record counts exactly once, whatever is killed.

Each input partition has one owner. A step of the owner is, in this order:

    1. load      where nothing is loaded: what Redis holds; a partition without state gets an
                 empty one first, so that a flush before the first write is seen
    2. skip      records at or below the stored offset: they are counted already
    3. mend      a first record above the stored offset + 1 shows a hole: the range is read from
                 the log with a plain consumer
    4. fold      decode the records and count them in panes, in memory
    5. keep      predictions that labels may find, idempotently; rejected records as dead letters
    6. write     panes, watermark, senders' numbers, dirty marks and the offset they include, in
                 one compare-and-set that names the generation it builds on
    7. notify    the evaluator (only a wake-up: the dirty marks are the truth)
    8. acknowledge the records to Kafka (only a hint: Redis is the truth for position)

Killed between any two: the successor loads what step 6 wrote last and reads on from there.
A refused write means that Redis holds another history (another owner wrote, or Redis lost its
last second): the owner drops its state, loads what is stored and reads on to where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.decode import Decoded, Decoder, RawRecord
from pipeline.decode.record import runs_above
from pipeline.labels.kept import KeptRows
from pipeline.limits import Moves
from pipeline.pane_shelf import PaneShelf
from pipeline.partition import PartitionState
from pipeline.reference.learning import Part
from pipeline.state.history import Refused
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, pack_small, unpack
from pipeline.state.partitions import Step, new_generation
from pipeline.state.samples import packed_parts, unpacked_samples
from pipeline.state.stored_panes import StoredPanes, latest
from pipeline.surroundings import Surroundings
from pipeline.threads import in_threads
from pipeline.windows.pane import PaneKey

log = logging.getLogger(__name__)

MAX_STEP_RECORDS = 2_000
MAX_INBOX_BYTES = 32 * 1024 * 1024
IDLE_LOAD_S = 3.0
CHECK_EVERY_S = 1.0


@dataclass(slots=True)
class Changes(Moves):
    """What one fold changed and step 6 writes.

    Attributes:
        kept: predictions that labels may find.
        labels: ids whose label record changed.
        looked_up: the epoch for which all open labels were looked up once more.
        kept_in: the history of Redis that holds `kept`.
        sampled: parts that changed of the rows that references are learned from.
    """

    kept: list[KeptRows] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    looked_up: str = ""
    kept_in: str = ""
    sampled: set[Part] = field(default_factory=set)


class Work(Protocol):
    """What an owner does with decoded records: fold events, or join labels.

    Attributes:
        step_bytes: how much one step takes in; what it changes must fit one command to Redis.
    """

    step_bytes: int

    async def fold(self, state: PartitionState, decoded: Decoded, through: int) -> Changes:
        """Count the records."""

    async def idle(self, state: PartitionState) -> Changes:
        """What is to do when no record has come (open labels are looked up again)."""

    def is_full(self, state: PartitionState) -> bool:
        """Whether no more records may be counted before something else has happened."""

    def expired(self, state: PartitionState) -> tuple[list[str], list[str]]:
        """Panes and label records that nothing needs any more."""


@dataclass(slots=True)
class _Arrival:
    """A record that Kafka delivered, and how to acknowledge it."""

    record: RawRecord
    acknowledge: Callable[[], object]


class PartitionOwner:
    """Owns one input partition: takes its records in, counts them, writes, acknowledges."""

    def __init__(
        self, source: SourcePartition, decoder: Decoder, work: Work, around: Surroundings
    ) -> None:
        """Own this partition; nothing is loaded before the first record, or 3 s without one."""
        self.source = source
        self.last_record_at = around.now_ms()
        self._behind_since: int | None = None
        self.looked_up = ""
        self._closed = False
        self._decoder = decoder
        self._work = work
        self._around = around
        self._state: PartitionState | None = None
        self._panes = PaneShelf()
        self._generation = ""
        self._inbox: deque[_Arrival] = deque()
        self._inbox_bytes = 0
        self._unsettled_bytes = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._position = -1
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._checked_at = self._opened_at
        self._lock = asyncio.Lock()

    @property
    def offset(self) -> int | None:
        """The last offset that is counted and stored; None before anything is loaded."""
        return None if self._state is None else self._state.offset

    async def take(self, record: RawRecord, acknowledge: Callable[[], object]) -> None:
        """Take a delivered record in; waits while the inbox is full.

        What comes after `close` is left to the next owner: it is never acknowledged here.
        """
        await self._room.wait()
        if self._closed:
            return
        self._inbox.append(_Arrival(record, acknowledge))
        self._inbox_bytes += len(record.value or b"")
        self._position = max(self._position, record.offset + 1)
        self.last_record_at = self._around.now_ms()
        self._arrived.set()
        if self._inbox_bytes > MAX_INBOX_BYTES:
            self._room.clear()

    def close(self) -> None:
        """Take nothing more: whoever waits for room goes on, and other partitions with it."""
        self._closed = True
        self._room.set()

    def stalled_s(self, end: int) -> float:
        """Seconds since the log first went on, to `end` now, and no record came; asked every beat.

        A quiet partition has no stall when a record is written at last: it is on its way.
        """
        now = self._around.now_ms()
        if self._position < 0 or self._position >= end or self._inbox:
            self._behind_since = None
        elif self._behind_since is None or self._behind_since < self.last_record_at:
            self._behind_since = now
        return 0.0 if self._behind_since is None else (now - self._behind_since) / 1000

    def reach(self, end: int) -> None:
        """Read on to `end` from the log: what lies there is not delivered."""
        self._position = max(self._position, end)
        self.last_record_at = self._around.now_ms()

    async def wait(self, timeout_s: float) -> None:
        """Until a record has come, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return

    async def step(self) -> None:
        """One step of the protocol; safe to call again after any exception.

        Raises:
            Refused: Redis holds another history; the next step loads it.
        """
        async with self._lock:
            try:
                await self._step()
            except BaseException:
                # The outcome of a write may be unknown: what Redis holds decides.
                self._state = None
                raise

    async def _step(self) -> None:
        now = self._loop.time()
        if self._state is None:
            if not self._inbox and self._position < 0 and now - self._opened_at < IDLE_LOAD_S:
                return
            await self._load()
        state = self._state
        assert state is not None
        is_due = now - self._checked_at >= CHECK_EVERY_S
        if is_due:
            self._checked_at = now
            if await self._around.store.generation(self.source) != self._generation:
                raise Refused(f"{self.source}: Redis no longer holds what was written last")
        batch = [] if self._work.is_full(state) else self._next_batch()
        try:
            for run in runs_above(state.offset, [arrival.record for arrival in batch]):
                if run[0].offset > state.offset + 1:
                    await self._mend(state, run[0].offset)
                await self._count(state, run)
            if not batch and not self._inbox and self._position > state.offset + 1:
                await self._mend(state, self._position)
            if is_due:
                await self._count(state, [])
        except BaseException:
            self._put_back(batch)
            raise
        for arrival in batch:
            arrival.acknowledge()

    async def _load(self) -> None:
        around = self._around
        self.looked_up = ""
        stored = await around.store.load(self.source)
        read = StoredPanes(
            self.source, around.store, around.references, around.rules_of, self._loop
        )
        panes = PaneShelf(stored.panes if stored else (), read, around.room)
        if stored is None:
            first = await asyncio.to_thread(around.first_offset, self.source)
            empty = PartitionState(offset=first - 1, from_start=first == 0, panes=panes)
            generation = new_generation()
            head = pack(empty.head())
            if not await around.store.begin(self.source, generation, empty.offset, head):
                raise Refused(f"{self.source}: another owner began it")
            self._state, self._generation = empty, generation
        else:
            what = f"the state of {self.source}"
            self._state = await asyncio.to_thread(
                lambda: PartitionState.restore(
                    stored.offset,
                    unpack(stored.head, what),
                    panes,
                    {identity: unpack(label, what) for identity, label in stored.labels.items()},
                    unpacked_samples(stored.samples, what),
                )
            )
            self._generation = stored.generation
        await asyncio.to_thread(panes.wake, latest(stored.panes if stored else ()))
        self._panes = panes
        if stored is not None or self._position < 0:
            _, end = await asyncio.to_thread(around.log.bounds, self.source)
            if stored is not None:
                # A killed owner was at most one step ahead of what it wrote, never of the log.
                self._state.settled_from = min(stored.offset + MAX_STEP_RECORDS, end - 1)
                self._unsettled_bytes = self._work.step_bytes
            if self._position < 0:
                # Nothing was delivered: what an idle partition lost is otherwise never read again.
                self._position = end
        log.info("%s: loaded at offset %d", self.source, self._state.offset)

    async def _mend(self, state: PartitionState, goal: int) -> None:
        """Read what lies between the stored offset and `goal` from the log."""
        first = state.offset + 1
        log.info("%s: reading offsets %d to %d from the log", self.source, first, goal - 1)
        async with aclosing(in_threads(self._around.log.read(self.source, first, goal))) as found:
            async for records in found:
                while self._work.is_full(state):
                    await self._count(state, [])
                    await asyncio.sleep(CHECK_EVERY_S)
                await self._count(state, records)
        if state.offset < goal - 1:
            # The rest holds no record: retention, compaction or transaction marks.
            state.offset = goal - 1
            await self._write(state, Changes())

    async def _count(self, state: PartitionState, records: Sequence[RawRecord]) -> None:
        """Steps 4 to 7."""
        around = self._around
        if records:
            through = records[-1].offset
            self._unsettled_bytes -= sum(len(record.value or b"") for record in records)
            if self._unsettled_bytes < 0:
                state.settled_from = min(state.settled_from, through)
            # A reference that was published before one of these records is known by now: so a
            # rebuild, which knows it too, counts the same.
            await around.references_read()
            decoded = await asyncio.to_thread(self._decoder.decode, records)
            changes = await self._work.fold(state, decoded, through)
            if changes.kept:
                changes.kept_in = await around.kept.keep(self.source, changes.kept)
            if decoded.rejected:
                await around.send_dead_letters(decoded.rejected)
        else:
            changes = await self._work.idle(state)
        if records or changes.dirty or changes.labels or changes.sampled:
            await self._write(state, changes)
        self._panes.settle()
        if changes.looked_up:
            self.looked_up = changes.looked_up
        if changes.dirty:
            await around.notify({PaneKey.parse(key).model for key in changes.dirty})

    async def _write(self, state: PartitionState, changes: Changes) -> None:
        panes_gone, labels_gone = self._work.expired(state)
        for key in panes_gone:
            # Not `pop`, which would read a pane that rests.
            if key in state.panes:
                del state.panes[key]
        for identity in labels_gone:
            state.labels.pop(identity, None)
        generation = new_generation()
        step = await asyncio.to_thread(
            self._packed, state, changes, generation, (panes_gone, labels_gone)
        )
        if not await self._around.store.write(self.source, step):
            raise Refused(f"{self.source}: Redis holds another history than this owner's")
        self._generation = generation

    def _packed(
        self,
        state: PartitionState,
        changes: Changes,
        generation: str,
        gone: tuple[list[str], list[str]],
    ) -> Step:
        panes, labels = state.panes, state.labels
        stored = changes.dirty | changes.listed
        samples, samples_gone = packed_parts(state.samples, changes.sampled)
        return Step(
            expected=self._generation,
            generation=generation,
            offset=state.offset,
            head=pack(state.head()),
            kept_in=changes.kept_in,
            panes={key: pack(panes[key].snapshot()) for key in stored if key in panes},
            labels={
                identity: pack_small(labels[identity].snapshot())
                for identity in changes.labels
                if identity in labels
            },
            samples=samples,
            dirty=dict.fromkeys(changes.dirty, generation),
            # What is there again was written by this very step.
            panes_gone=[key for key in (*gone[0], *changes.gone) if key not in panes],
            labels_gone=gone[1],
            samples_gone=samples_gone,
        )

    def _next_batch(self) -> list[_Arrival]:
        batch: list[_Arrival] = []
        size = 0
        while self._inbox and len(batch) < MAX_STEP_RECORDS and size < self._work.step_bytes:
            arrival = self._inbox.popleft()
            size += len(arrival.record.value or b"")
            batch.append(arrival)
        self._inbox_bytes -= size
        if not self._inbox:
            self._arrived.clear()
        if self._inbox_bytes <= MAX_INBOX_BYTES:
            self._room.set()
        return batch

    def _put_back(self, arrivals: Sequence[_Arrival]) -> None:
        self._inbox.extendleft(reversed(arrivals))
        self._inbox_bytes += sum(len(arrival.record.value or b"") for arrival in arrivals)
        if self._inbox:
            self._arrived.set()
