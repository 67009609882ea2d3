"""What the model server uses: processor, memory, open files, read from /proc; and its traffic.

Network bytes are those that passed through this sidecar since the previous sample: `rx` towards
the model server, `tx` from it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from inferwatch.events.kinds import Kind
from inferwatch.events.latency import Latency
from inferwatch.events.resource import Resource
from producers.sink import Sink

_PROC = Path("/proc")
_LISTENING = "0A"
_MOST_MODELS = 32


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes have used so far, and use now."""

    cpu_s: float
    rss_bytes: int
    open_fds: int | None


def usage_of(pids: Iterable[int]) -> Usage | None:
    """The sum over the processes that can be read; None when there is none.

    >>> usage_of([os.getpid()]).rss_bytes > 1_000_000
    True
    """
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    cpu, rss, fds, found = 0.0, 0, 0, False
    fds_known = True
    for pid in pids:
        try:
            # The name in brackets may hold spaces and brackets itself.
            stat = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            cpu += (int(stat[11]) + int(stat[12])) / tick
            rss += int(stat[21]) * page
            found = True
        except (OSError, ValueError, IndexError):
            continue
        try:
            fds += sum(1 for _ in (_PROC / str(pid) / "fd").iterdir())
        except OSError:
            fds_known = False  # another user's process
    return Usage(cpu, rss, fds if fds_known else None) if found else None


def listeners(port: int) -> list[int]:
    """The processes of this machine that listen on a TCP port, as far as they may be seen."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            parts = line.split()
            if parts[3] == _LISTENING and int(parts[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{parts[9]}]")
    if not inodes:
        return []
    return [int(p.name) for p in _PROC.iterdir() if p.name.isdigit() and _holds(p, inodes)]


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return False
    for link in links:
        try:
            if str(link.readlink()) in inodes:
                return True
        except OSError:
            continue
    return False


@dataclass(slots=True)
class ServedModels:
    """The models that the server has answered for since the last look."""

    fixed: tuple[str, str] | None = None
    _seen: dict[tuple[str, str], None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def saw(self, latency: Latency) -> None:
        """Note a successful answer."""
        key = (latency.model, latency.version)
        if key not in self._seen and len(self._seen) < _MOST_MODELS:
            with self._lock:
                self._seen[key] = None

    def take(self) -> list[tuple[str, str]]:
        """Model and version of each; the configured one when there was no traffic."""
        with self._lock:
            seen = list(self._seen)
            self._seen.clear()
        return seen or ([self.fixed] if self.fixed is not None else [])


class ResourceSampler:
    """Samples from a thread of its own: /proc of a large server takes a moment to read."""

    def __init__(
        self,
        sink: Sink,
        models: ServedModels,
        *,
        origin: str,
        pids: Callable[[], list[int]],
        passed: Callable[[], tuple[int, int]],
        every_s: float,
    ) -> None:
        """`pids` finds the server's processes: at first, and when they are gone."""
        self._sink = sink
        self._models = models
        self._origin = origin
        self._pids = pids
        self._passed = passed
        self._every_s = every_s
        self._known: list[int] = []
        self._before: tuple[float, float] | None = None
        self._passed_before = (0, 0)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="resources", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.sample(time.monotonic(), int(time.time() * 1000))

    def sample(self, now: float, ts: int) -> None:
        """Publish one sample for each model that the server serves."""
        usage = usage_of(self._known)
        if usage is None:
            self._known = self._pids()
            usage = usage_of(self._known)
        to, back = self._passed()
        rx, tx = to - self._passed_before[0], back - self._passed_before[1]
        self._passed_before = (to, back)
        cpu = None
        if usage is not None:
            if self._before is not None and now > self._before[0]:
                # A server that was restarted begins again at 0.
                cpu = max(0.0, 100 * (usage.cpu_s - self._before[1]) / (now - self._before[0]))
            self._before = (now, usage.cpu_s)
        samples = [
            Resource(
                model=model,
                version=version,
                ts=ts,
                origin=self._origin,
                cpu_percent=cpu,
                rss_bytes=None if usage is None else usage.rss_bytes,
                open_fds=None if usage is None else usage.open_fds,
                net_rx_bytes=rx,
                net_tx_bytes=tx,
            )
            for model, version in self._models.take()
        ]
        if samples:
            self._sink.publish(Kind.RESOURCE, samples)
