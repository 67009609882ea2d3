"""What tests of the spool share: batches, a folder of one, a disk that is full, a clock."""

from __future__ import annotations

import contextlib
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from inferwatch.events.kinds import Kind
from producers.batching import Batch
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.spool.claims import Place
from producers.spool.spool import Spool


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


SIZE = 2**16


class SpoolRig:
    """A spool, the line of its latencies, and what counts and bounds it."""

    def __init__(self, folder, *, limit=SIZE, origin="mine", queue=2**20):
        self.clock = Clock()
        self.budget = ByteBudget(queue)
        self.counters = Counters()
        self.folder = folder
        self.spool = Spool(
            Place(folder, "kafka"),
            limit,
            origin=origin,
            budget=self.budget,
            counters=self.counters,
            clock=self.clock,
        )
        self.line = self.spool.lines[Kind.LATENCY]
        self.serial = 0
        self.has_ended = False

    def end(self):
        """End as the thread does when it is closed; once."""
        if not self.has_ended:
            self.has_ended = True
            self.spool._end()

    def put(self, count=1, **options):
        for _ in range(count):
            self.serial += 1
            one = batch(self.serial, **options)
            self.budget.take(one.size)
            self.line.put(one)

    def step(self, seconds=0.0):
        self.clock.now += seconds
        return self.spool.step(self.clock())

    def take(self, line=None):
        """All that can be taken without another round: serials, and whether they are on disk."""
        line = line or self.line
        found = []
        while (taken := line.take()) is not None:
            found.append((taken.batch.serial, taken.is_stored))
        return found

    def dropped(self, reason):
        return self.counters.get("rows_dropped_total", topic="inference.latencies", reason=reason)

    def gauge(self, name):
        for line in self.counters.prometheus().splitlines():
            if line.startswith(f"inferwatch_sidecar_{name} "):
                return float(line.split()[1])
        raise AssertionError(name)
