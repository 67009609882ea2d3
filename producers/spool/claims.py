"""Whose files are whose: a folder for each process, which it holds a lock on while it lives.

```
DIR/4f0c1a2b3c4d/                      one Kafka and topic prefix: nothing goes to another one
    sidecar-host-17-9f86d081884c/      one process (its origin)
        lock                           held by who writes, or sends what the dead one left
        latency-00000001.segment
```

The kernel lets go of the lock when its process dies, however that comes about. A folder appears
under its name only after its maker has the lock, so a lock that can be had means a dead owner.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from inferwatch.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOCK = "lock"
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# A maker needs a millisecond from a folder's first name to its last one.
_MAKING_S = 3600.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A folder that is this process's alone until `release`."""

    folder: Path
    _fd: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the lock is left in it."""
        with suppress(OSError):
            return not any(path.name != _LOCK for path in self.folder.iterdir())
        return False

    def release(self) -> None:
        """Let others have it; it goes when nothing is left in it."""
        with suppress(OSError):
            if self.is_empty:
                (self.folder / _LOCK).unlink(missing_ok=True)
                self.folder.rmdir()
        self.close()

    def close(self) -> None:
        """Let go of the lock alone, where the folder is gone already."""
        os.close(self._fd)


class Place:
    """The folders of all processes that send to one Kafka."""

    def __init__(self, directory: Path, destination: str) -> None:
        """Touch nothing yet.

        Args:
            directory: the config's `spool.dir`.
            destination: Kafka's addresses and the topic prefix.

        Raises:
            UsageError: this system has no such locks.
        """
        if fcntl is None:
            raise UsageError("sidecar.spool: needs the file locks of a POSIX system; leave it out")
        self.directory = directory
        self.folder = directory / hashlib.sha256(destination.encode()).hexdigest()[:12]

    def claim(self, name: str) -> Claim:
        """Make a folder of this name for this process.

        Raises:
            OSError: it cannot be made.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(self.folder):
            raise PermissionError(errno.EPERM, "it is another user's", str(self.folder))
        first, last = self.folder / f".{name}", self.folder / name
        # It is there already where an earlier attempt found the disk full.
        first.mkdir(mode=0o700, exist_ok=True)
        fd = _lock(first)
        assert fd is not None, "nobody else looks at a folder that begins with a dot"
        try:
            first.rename(last)
        except OSError:
            os.close(fd)
            raise
        return Claim(last, fd)

    def claim_dead(self) -> Iterator[Claim]:
        """The folders of processes that died, oldest first; empty ones are removed on the way.

        Each is locked when it is asked for, and is from then on its taker's to release.

        Raises:
            OSError: the folders cannot be listed.
        """
        for path in sorted(self.folder.iterdir(), key=lambda p: (_changed_at(p), p.name)):
            if not _is_ours(path):
                continue
            if path.name.startswith(".") and time.time() - _changed_at(path) < _MAKING_S:
                continue
            claim = None
            with suppress(OSError):
                claim = _claim_left(path)
            if claim is not None:
                yield claim

    def strangers(self) -> list[Path]:
        """Folders with files that were to go to another Kafka, or under another prefix."""
        with suppress(OSError):
            return sorted(
                {
                    path.parent.parent
                    for path in self.directory.glob("*/*/*.segment")
                    if path.parent.parent != self.folder
                }
            )
        return []


def _changed_at(path: Path) -> float:
    with suppress(OSError):
        return path.stat(follow_symlinks=False).st_mtime
    return 0.0


def _is_ours(path: Path) -> bool:
    """Whether it is a folder of this user's: nobody else's words are sent under our name."""
    with suppress(OSError):
        found = path.stat(follow_symlinks=False)
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return False


def _claim_left(folder: Path) -> Claim | None:
    """Claim a dead process's folder; None where it lives, or left nothing."""
    fd = _lock(folder)
    if fd is None:
        return None
    try:
        has_events = any(path.suffix == ".segment" for path in folder.iterdir())
    except OSError:
        # A descriptor that is forgotten here would hold the lock as long as this process lives.
        os.close(fd)
        raise
    claim = Claim(folder, fd)
    if has_events:
        return claim
    claim.release()
    return None


def _lock(folder: Path) -> int | None:
    """Hold the folder's lock, or None where somebody does."""
    fd = os.open(folder / _LOCK, _FLAGS, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return fd
