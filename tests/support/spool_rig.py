"""What tests of the spool share: batches, a folder of one, a disk that is full, a clock."""

from __future__ import annotations

import contextlib
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from inferwatch.events.kinds import Kind
from producers.batching import Batch


def batch(serial: int, *, rows: int = 2, size: int = 50, origin: str = "dead", **other) -> Batch:
    """A batch whose payload tells its serial; two rows of partition 0, unless told otherwise."""
    payload = f"payload {serial} ".encode().ljust(size, b".")
    given = {"kind": Kind.LATENCY, "partition": 0, "key": origin.encode(), **other}
    return Batch(
        seq=(serial - 1) * rows, rows=rows, payload=payload, serial=serial, origin=origin, **given
    )


@contextlib.contextmanager
def full_disk(size: int = 0) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: the kernel says so, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder: Path) -> list[Path]:
    """All files below a folder that hold events."""
    return sorted(folder.rglob("*.segment"))


def snapshot(folder: Path, to: Path) -> None:
    """What a kill -9 leaves at this moment: a copy, without what goes while it is made."""

    def copy(source: str, target: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(source, target)

    shutil.copytree(folder, to, copy_function=copy)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
