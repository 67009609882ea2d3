"""One file of entries: appended to, read from its beginning, deleted as a whole.

Guarantees: what `append` returned for is read back, or its damage is found; of what it raised for
nothing is left. The file is this user's alone (0600) and no link is followed. It begins with the
format's number: a file of a later version is left alone.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from inferwatch.events.kinds import Kind
from producers.batching import Batch, Drop
from producers.spool.entry import FIXED_SIZE, Head, Sizes, is_whole

MAGIC = b"iwspool\x01"
"""The first bytes of a file; the last one is the format's number."""

DAMAGED = "spool_damaged"
"""Why rows are dropped that cannot be read back."""

# What fails for these reasons may succeed the next time; whatever else fails is lost.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR)
_NAME = re.compile(r"([a-z]+)-([0-9]{8})\.segment")
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class UnknownFormatError(Exception):
    """The file is of another version, or none of ours."""


@dataclass(frozen=True, slots=True)
class Tear:
    """The end of a file that was cut off, because its entry is not whole.

    Attributes:
        size: bytes.
        rows: rows of the entry, as far as its head tells; at least 0.
    """

    size: int
    rows: int


@dataclass(slots=True)
class Segment:
    """One file.

    Attributes:
        size: bytes up to the end of the last whole entry.
        read_at: where the next entry begins that was not read yet.
        unread: entries that were not read yet.
        unread_rows: their rows.
        unsettled: entries that must be kept, read or not.
    """

    path: Path
    kind: Kind
    number: int
    size: int = len(MAGIC)
    read_at: int = len(MAGIC)
    unread: int = 0
    unread_rows: int = 0
    unsettled: int = 0
    _fd: int | None = field(default=None, repr=False)

    @classmethod
    def create(cls, folder: Path, kind: Kind, number: int) -> Segment:
        """Begin a file.

        Raises:
            OSError: it cannot be written, or is there already.
        """
        path = folder / f"{kind.value}-{number:08}.segment"
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        segment = cls(path, kind, number, _fd=fd)
        try:
            _write_at(fd, MAGIC, 0)
        except OSError:
            segment.delete()
            raise
        return segment

    @classmethod
    def found(cls, folder: Path) -> list[Segment]:
        """The files of a folder, by kind and in their order; nothing is read yet."""
        kinds = {kind.value: kind for kind in Kind}
        segments = []
        for path in folder.iterdir():
            name = _NAME.fullmatch(path.name)
            if name is not None and name[1] in kinds:
                size = path.stat(follow_symlinks=False).st_size
                segments.append(cls(path, kinds[name[1]], int(name[2]), size))
        return sorted(segments, key=lambda s: (s.kind.value, s.number))

    def append(self, data: bytes, rows: int) -> None:
        """Write an entry that holds so many rows.

        Raises:
            OSError: the disk is full or broken; the file is as it was.
        """
        try:
            _write_at(self._open(), data, self.size)
        except OSError:
            # Where even that fails, nothing beyond `size` is read here, and the next process
            # finds the end torn.
            os.ftruncate(self._open(), self.size)
            raise
        self.size += len(data)
        self._count(rows)

    def recover(self) -> Tear | None:
        """Count what a file of a dead process holds; a torn end is cut off, and told.

        Raises:
            OSError: it cannot be read or cut.
            UnknownFormatError: it is of a later version.
        """
        if self.size < len(MAGIC):
            # Its process died before it wrote a word.
            self.size = len(MAGIC)
            return None
        if os.pread(self._open(), len(MAGIC), 0) != MAGIC:
            raise UnknownFormatError(str(self.path))
        found, self.size = self.size, len(MAGIC)
        for sizes, head in self._heads(found):
            if head is None or self.size + sizes.whole > found:
                tear = Tear(found - self.size, 0 if head is None else head.rows)
                os.ftruncate(self._open(), self.size)
                return tear
            self.size += sizes.whole
            self._count(head.rows)
        if self.size < found:
            tear = Tear(found - self.size, 0)
            os.ftruncate(self._open(), self.size)
            return tear
        return None

    def read(self) -> Batch | Drop | None:
        """The next batch, the rows of what is damaged or gone, or None at the end.

        Raises:
            OSError: it cannot be read now.
        """
        try:
            return self._read() if self.unread else None
        except OSError as error:
            if error.errno in _PASSING:
                raise
            return self._give_up()

    def _read(self) -> Batch | Drop:
        fixed = self._pread(FIXED_SIZE, self.read_at)
        sizes = Sizes.decode(fixed) if len(fixed) == FIXED_SIZE else None
        head = None
        if sizes is not None and self.read_at + sizes.whole <= self.size:
            head = Head.decode(sizes, self._pread(sizes.head, self.read_at + FIXED_SIZE))
        if sizes is None or head is None:
            # Damaged since it was counted: where the next entry begins is not known.
            return self._give_up()
        payload = self._pread(sizes.payload, self.read_at + FIXED_SIZE + sizes.head)
        self.read_at += sizes.whole
        self.unread -= 1
        self.unread_rows -= head.rows
        if not is_whole(sizes, payload):
            self.unsettled -= 1
            return Drop(head.rows, DAMAGED)
        return head.batch(self.kind, payload)

    def sync(self) -> None:
        """Have the machine write it out; until then a crash of the machine may tear it."""
        if self._fd is not None:
            os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def delete(self) -> None:
        """Remove the file; one that cannot be removed is sent again by the next process."""
        self.close()
        with suppress(OSError):
            self.path.unlink()

    def _give_up(self) -> Drop:
        lost = Drop(self.unread_rows, DAMAGED)
        self.unsettled -= self.unread
        self.read_at, self.unread, self.unread_rows = self.size, 0, 0
        return lost

    def _count(self, rows: int) -> None:
        self.unread += 1
        self.unread_rows += rows
        self.unsettled += 1

    def _heads(self, end: int) -> Iterator[tuple[Sizes, Head | None]]:
        at = len(MAGIC)
        while at + FIXED_SIZE <= end:
            sizes = Sizes.decode(self._pread(FIXED_SIZE, at))
            fits = at + FIXED_SIZE + sizes.head <= end
            head = Head.decode(sizes, self._pread(sizes.head, at + FIXED_SIZE)) if fits else None
            yield sizes, head
            at += sizes.whole

    def _pread(self, size: int, at: int) -> bytes:
        return os.pread(self._open(), size, at)

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(self.path, _FLAGS)
        return self._fd


def _write_at(fd: int, data: bytes, at: int) -> None:
    """Write all of it; a disk that is nearly full takes only a part at first."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written
