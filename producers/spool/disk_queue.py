"""One topic's batches in files, oldest first; for one thread.

Guarantees: what was appended is read in the same order, also by the next process; a file goes when
all of it is settled; all files of all queues together stay within one bound.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from inferwatch.events.kinds import Kind
from producers.batching import Batch, Drop
from producers.budget import ByteBudget
from producers.spool.entry import encode
from producers.spool.segment import MAGIC, Segment


class DiskQueue:
    """First in, first out; what was read stays until it is settled.

    Attributes:
        unread: entries that were not read yet.
        unread_rows: their rows.
    """

    def __init__(
        self,
        folder: Path,
        kind: Kind,
        room: ByteBudget,
        *,
        segment_bytes: int,
        segments: Iterable[Segment] = (),
    ) -> None:
        """Go on where another process ended, or begin.

        Args:
            folder: where new files are made; only this process writes there.
            kind: the topic.
            room: bounds the files of all queues.
            segment_bytes: a file that is longer gets nothing more.
            segments: what is there already, recovered; its bytes are taken from the room even
                where they do not fit.
        """
        self._folder = folder
        self._kind = kind
        self._room = room
        self._segment_bytes = segment_bytes
        self._segments = deque(segments)
        self._reading: dict[int, Segment] = {}
        self._number = max((s.number for s in self._segments), default=0)
        self._is_dirty = False
        self.unread = sum(s.unread for s in self._segments)
        self.unread_rows = sum(s.unread_rows for s in self._segments)
        for segment in list(self._segments):
            room.exchange(0, segment.size)
            self._drop_if_settled(segment)

    @property
    def is_settled(self) -> bool:
        """Whether no file is needed any more."""
        return not self._segments

    def append(self, batch: Batch) -> bool:
        """Write a batch; False where the bound leaves no room for it.

        Raises:
            OSError: the disk is full or broken; nothing was written.
        """
        data = encode(batch)
        is_new = not self._segments or self._segments[-1].size >= self._segment_bytes
        size = len(data) + (len(MAGIC) if is_new else 0)
        if not self._room.take(size):
            return False
        try:
            tail = self._begin() if is_new else self._segments[-1]
            try:
                tail.append(data, batch.rows)
            except OSError:
                if is_new:
                    tail.delete()
                raise
        except OSError:
            self._room.give(size)
            raise
        if is_new:
            self._segments.append(tail)
        self._is_dirty = True
        self.unread += 1
        self.unread_rows += batch.rows
        return True

    def read(self) -> Batch | Drop | None:
        """The oldest batch that was not read yet, or the rows of one that is damaged.

        Raises:
            OSError: it cannot be read.
        """
        for segment in self._segments:
            if not segment.unread:
                continue
            before, rows = segment.unread, segment.unread_rows
            item = segment.read()
            self.unread -= before - segment.unread
            self.unread_rows -= rows - segment.unread_rows
            if isinstance(item, Batch):
                self._reading[item.serial] = segment
                if not segment.unread and segment is not self._segments[-1]:
                    segment.close()
            else:
                self._drop_if_settled(segment)
            return item
        return None

    def settle(self, serial: int) -> bool:
        """Forget a batch that was read; False where it was not read yet, or is not here."""
        segment = self._reading.pop(serial, None)
        if segment is None:
            return False
        segment.unsettled -= 1
        self._drop_if_settled(segment)
        return True

    def sync(self) -> None:
        """Have the machine write out what was appended since the last time.

        Raises:
            OSError: it cannot.
        """
        if self._is_dirty:
            self._is_dirty = False
            if self._segments:
                self._segments[-1].sync()

    def close(self) -> None:
        """Let go of all files."""
        for segment in self._segments:
            segment.close()

    def _begin(self) -> Segment:
        """Begin a file, and make sure of the one before it and of its name."""
        if self._segments:
            self._segments[-1].sync()
            self._segments[-1].close()
        self._number += 1
        segment = Segment.create(self._folder, self._kind, self._number)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return segment

    def _drop_if_settled(self, segment: Segment) -> None:
        if not segment.unsettled:
            self._segments.remove(segment)
            self._room.give(segment.size)
            segment.delete()
