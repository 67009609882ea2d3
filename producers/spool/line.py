"""One topic's batches on their way through the disk: in at one end, out at the other, in order.

The publisher hands over and takes; only the spool's thread touches the disk. What was handed over
is still in memory until it is written, and goes on from there where the disk has no room for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from inferwatch.events.kinds import Kind
from producers.batching import Batch, Drop
from producers.budget import ByteBudget
from producers.spool.disk_queue import DiskQueue

_READY = 32
# What is in memory again to be sent takes about this share of the bound: once where it is ready,
# once where it is on its way.
_READY_SHARE = 64


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch to be sent.

    Attributes:
        is_stored: whether it is on disk until it is settled.
    """

    batch: Batch
    is_stored: bool


@dataclass(slots=True)
class Line:
    """The way of one topic; the methods without a note are for any thread.

    Attributes:
        disk: None as long as there is no folder to write in.
        partitions: of the topic, as Kafka says, or said to an earlier process.
        is_needed: whether Kafka is away, so that all is to be written.
        written_rows: rows that were written; its thread sets it back.
        wake: called when there is something to do for the spool's thread.
    """

    kind: Kind
    budget: ByteBudget
    disk: DiskQueue | None = None
    partitions: int | None = None
    is_needed: bool = False
    written_rows: int = 0
    wake: Callable[[], None] = lambda: None
    _inbox: deque[Batch] = field(default_factory=deque)
    _ready: deque[Taken] = field(default_factory=deque)
    _settled: deque[int] = field(default_factory=deque)
    _skipped: set[int] = field(default_factory=set)
    _is_reading: bool = False
    _is_full: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on its way; what was taken is its taker's."""
        with self._lock:
            unread = self.disk is not None and self.disk.unread
            return not (self._inbox or self._ready or unread or self._is_reading)

    @property
    def most_bytes(self) -> int:
        """Bytes beyond which nothing more is read from disk, or taken to be sent."""
        return max(1, self.budget.limit // _READY_SHARE)

    @property
    def rows(self) -> int:
        """Rows on their way."""
        with self._lock:
            unread = 0 if self.disk is None else self.disk.unread_rows
            ready = sum(taken.batch.rows for taken in self._ready)
            return unread + ready + sum(batch.rows for batch in self._inbox)

    @property
    def unwritten_rows(self) -> int:
        """Rows that are in memory only."""
        with self._lock:
            ready = sum(taken.batch.rows for taken in self._ready if not taken.is_stored)
            return ready + sum(batch.rows for batch in self._inbox)

    def put(self, batch: Batch) -> None:
        """Hand over a batch, whose bytes the budget holds; later ones have higher serials."""
        with self._lock:
            self._inbox.append(batch)
        self.wake()

    def take(self) -> Taken | None:
        """The next batch to be sent; whoever takes it holds its bytes, and settles it."""
        with self._lock:
            taken = self._ready.popleft() if self._ready else None
            is_low = len(self._ready) == _READY // 2 or (taken is not None and not self._ready)
        if is_low:
            self.wake()
        return taken

    def settle(self, serial: int) -> None:
        """Forget a batch that was stored or handed over: Kafka has it, or never will."""
        if self._put_off(serial):
            self._settled.append(serial)
            self.wake()

    # ---- the spool's thread

    def forget(self) -> None:
        """Forget what was settled, on disk too."""
        while self._settled:
            serial = self._settled.popleft()
            # It may have been read since.
            self._put_off(serial)
            if self.disk is None or not self.disk.settle(serial):
                self._skipped.add(serial)

    def write(self) -> bool:
        """Write what was handed over, if it is to be written; False where not all has room.

        Raises:
            OSError: the disk is full or broken; what is not written is still here.
        """
        self._is_full = False
        while self._inbox and self.disk is not None and (self.is_needed or self.disk.unread):
            batch = self._inbox[0]
            if batch.serial not in self._skipped:
                self._is_full = not self.disk.append(batch)
                if self._is_full:
                    return False
                self.written_rows += batch.rows
            self._skipped.discard(batch.serial)
            with self._lock:
                self._inbox.popleft()
            self.budget.give(batch.size)
        return True

    def refill(self, *, can_write: bool) -> tuple[list[Drop], bool]:
        """Get batches ready to be sent: those on disk, and then those that need not be there.

        Args:
            can_write: whether the disk takes anything; else none needs to be there.

        Returns:
            What turned out to be damaged, and whether there is something new to take.

        Raises:
            OSError: the disk cannot be read.
        """
        damaged: list[Drop] = []
        has_more = False
        self._is_reading = True
        can_write = can_write and self.disk is not None and not self._is_full
        try:
            while len(self._ready) < _READY and self._ready_bytes < self.most_bytes:
                item = self._next(can_write)
                if item is None:
                    break
                if isinstance(item, Drop):
                    damaged.append(item)
                else:
                    with self._lock:
                        self._ready.append(item)
                    has_more = True
        finally:
            self._is_reading = False
        return damaged, has_more

    def save(self) -> None:
        """Have all written that is in memory only: the process ends."""
        with self._lock:
            back = [taken.batch for taken in self._ready if not taken.is_stored]
            self._ready = deque(taken for taken in self._ready if taken.is_stored)
            self._inbox.extendleft(reversed(back))
        self.is_needed = True

    def _put_off(self, serial: int) -> bool:
        """Take a batch from those that are ready; whether it may be elsewhere too."""
        with self._lock:
            found = [taken for taken in self._ready if taken.batch.serial == serial]
            self._ready = deque(t for t in self._ready if t.batch.serial != serial)
        for taken in found:
            self.budget.give(taken.batch.size)
        return not found or found[0].is_stored

    @property
    def _ready_bytes(self) -> int:
        with self._lock:
            return sum(taken.batch.size for taken in self._ready)

    def _next(self, can_write: bool) -> Taken | Drop | None:
        while self.disk is not None and self.disk.unread:
            item = self.disk.read()
            if isinstance(item, Drop):
                return item
            assert item is not None, "there is an unread one"
            if item.serial in self._skipped:
                self._skipped.discard(item.serial)
                self.disk.settle(item.serial)
                continue
            self.budget.exchange(0, item.size)
            return Taken(item, is_stored=True)
        # Asked last: what is handed over after it was set is to be written.
        while self._inbox and not (can_write and self.is_needed):
            with self._lock:
                batch = self._inbox.popleft()
            if batch.serial not in self._skipped:
                return Taken(batch, is_stored=False)
            self._skipped.discard(batch.serial)
            self.budget.give(batch.size)
        return None
