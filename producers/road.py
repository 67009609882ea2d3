"""One topic's way to the broker: rows become batches, which are sent until the broker has them.

While Kafka is away, and as long as the disk holds older ones, batches go through a line of the
spool, so that their order is kept. Not thread-safe: the publisher holds a lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from inferwatch.events.kinds import Kind
from producers.batching import Batch, Lane
from producers.spool.line import Line

# Batches of one topic that are on their way at a time.
WINDOW = 32
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
# A broker that took nothing for so long is away, whatever its client still hopes for.
STUCK_S = 2.0


class Source(Enum):
    """What the spool has to do with a batch in memory."""

    COPIED = auto()
    """It is on its way, and the line has it too: if it fails, the line brings it again."""
    STORED = auto()
    """It came from the line, and is on disk until it is settled."""
    UNWRITTEN = auto()
    """It came from the line, which had no room on disk for it."""


@dataclass(slots=True)
class Road:
    """One topic's way; of what a dead process left there is no lane.

    Attributes:
        line: the way through the spool, None without one.
        waiting: made and not sent, or failed and to be sent again; oldest first.
        on_the_way: batches that the client has, by serial.
        not_before: monotonic seconds before which nothing is tried again.
        is_failing: whether the last that was heard of the broker was a failure.
    """

    kind: Kind
    lane: Lane | None
    line: Line | None = None
    waiting: deque[Batch] = field(default_factory=deque)
    on_the_way: dict[int, Batch] = field(default_factory=dict)
    partitions: int | None = None
    not_before: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    is_failing: bool = False
    _sources: dict[int, Source] = field(default_factory=dict)
    _progress_at: float = 0.0

    @property
    def known_partitions(self) -> int | None:
        """How many partitions the topic has, None as long as no Kafka ever said."""
        return self.partitions or (None if self.line is None else self.line.partitions)

    def learn_partitions(self, partitions: int) -> None:
        """Kafka says how many there are."""
        self.partitions = partitions
        if self.line is not None:
            self.line.partitions = partitions

    @property
    def pending_rows(self) -> int:
        """Rows that the broker does not have, wherever they are."""
        rows = [b.rows for b in (*self.waiting, *self.on_the_way.values())]
        gathered = 0 if self.lane is None else len(self.lane.rows)
        return gathered + sum(rows) + (0 if self.line is None else self.line.rows)

    @property
    def unsaved_rows(self) -> int:
        """Rows that end with this process: in memory only."""
        kept = (Source.COPIED, Source.STORED)
        batches = (*self.waiting, *self.on_the_way.values())
        rows = [b.rows for b in batches if self._sources.get(b.serial) not in kept]
        gathered = 0 if self.lane is None else len(self.lane.rows)
        return gathered + sum(rows) + (0 if self.line is None else self.line.unwritten_rows)

    @property
    def spooled_rows(self) -> int:
        """Rows that are on disk."""
        if self.line is None:
            return 0
        batches = (*self.waiting, *self.on_the_way.values())
        read = [b.rows for b in batches if self._sources.get(b.serial) is Source.STORED]
        return sum(read) + self.line.rows - self.line.unwritten_rows

    @property
    def is_over(self) -> bool:
        """Whether nothing of what a dead process left is left."""
        # Rows are counted nowhere while the line reads them, so it is the line that says.
        has_some = bool(self.waiting or self.on_the_way)
        return self.lane is None and not has_some and (self.line is None or self.line.is_empty)

    def is_away(self, now: float) -> bool:
        """Whether the broker takes nothing: it says so, or nothing has been heard for long."""
        has_some = bool(self.waiting or self.on_the_way)
        return self.is_failing or (has_some and now > self._progress_at + STUCK_S)

    def add(self, batches: Iterable[Batch], now: float) -> int:
        """Take batches that were made, behind those on disk; as `spill`, bytes held twice."""
        if not self.waiting and not self.on_the_way:
            self._progress_at = now
        if self.line is None or self.line.is_empty:
            self.waiting.extend(batches)
            return 0
        twice = self.spill()
        for batch in batches:
            self.line.put(batch)
        return twice

    def spill(self, *, is_last: bool = False) -> int:
        """Hand what is in memory only to the line: bytes that are held twice now.

        What the line had no room for before is given back to it only at the end, out of its order.
        """
        if self.line is None:
            return 0
        twice = 0
        in_order = sorted((*self.waiting, *self.on_the_way.values()), key=lambda b: b.serial)
        for batch in in_order:
            source = self._sources.get(batch.serial)
            if source is not None and not (is_last and source is Source.UNWRITTEN):
                continue
            self._sources.pop(batch.serial, None)
            if batch.serial in self.on_the_way:
                self._sources[batch.serial] = Source.COPIED
                twice += batch.size
            self.line.put(batch)
        self.waiting = deque(b for b in self.waiting if b.serial in self._sources)
        return twice

    def fetch(self, now: float) -> None:
        """Get the next batches from the line, once all before them have arrived or failed."""
        if self.line is None or self.waiting or Source.COPIED in self._sources.values():
            return
        if not self.on_the_way:
            self._progress_at = now
        elif sum(batch.size for batch in self.on_the_way.values()) >= self.line.most_bytes:
            return
        while len(self.waiting) < WINDOW and (taken := self.line.take()) is not None:
            source = Source.STORED if taken.is_stored else Source.UNWRITTEN
            self._sources[taken.batch.serial] = source
            self.waiting.append(taken.batch)

    def next(self) -> Batch | None:
        """The next batch to be sent; it is on its way from here on."""
        if not self.waiting or len(self.on_the_way) >= WINDOW:
            return None
        batch = self.waiting.popleft()
        self.on_the_way[batch.serial] = batch
        return batch

    def arrived(self, batch: Batch, now: float) -> None:
        """The broker has it, or never will: it need not be kept any more."""
        del self.on_the_way[batch.serial]
        self._progress_at = now
        source = self._sources.pop(batch.serial, None)
        if self.line is not None and source in (Source.COPIED, Source.STORED):
            self.line.settle(batch.serial)

    def failed(self, batch: Batch) -> bool:
        """It waits to be sent again; False where the line brings it, and memory lets go of it."""
        del self.on_the_way[batch.serial]
        if self._sources.get(batch.serial) is Source.COPIED:
            del self._sources[batch.serial]
            return False
        # Back to its place: the order of making is the order of sending.
        self.waiting = deque(sorted((*self.waiting, batch), key=lambda b: b.serial))
        return True

    def hold(self, now: float) -> None:
        """Try nothing for a while, each time for longer."""
        self.not_before = now + self.pause_s
        self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)
        self.is_failing = True

    def go_on(self) -> None:
        """The broker takes batches."""
        self.pause_s = FIRST_PAUSE_S
        self.is_failing = False
