"""Runs of panes that are kept in memory, within a bound."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from pipeline.windows.pane import Pane


class RunKey(NamedTuple):
    """Which run: what it is about, how many panes it is long, where it begins."""

    about: Hashable
    panes: int
    start: int


@dataclass(slots=True)
class _Kept:
    run: Pane
    size: int
    worth: int


class RunShelf:
    """Keeps the runs of one model, in as many bytes as it may.

    What goes first is what is made again most cheaply and was not used for long: a run is worth
    as much as it has panes, above what went last; a use makes it worth that anew. So the runs of
    an hour outlast sixty turns of single panes, whatever the windows are. Cost: 1 µs a use.

    Guarantee: nothing goes but in `trim`, so that what was there when a window was looked up is
    there when it is merged. A run is never changed by the shelf.

    >>> shelf = RunShelf(lambda: 0)
    >>> shelf.put(RunKey("", 1, 0), Pane(None))
    >>> RunKey("", 1, 0) in shelf, shelf.trim(), RunKey("", 1, 0) in shelf
    (True, None, False)

    Source: P. Cao, S. Irani, "Cost-aware WWW proxy caching algorithms", 1997 (GreedyDual-Size).
    """

    def __init__(self, most_bytes: Callable[[], int]) -> None:
        """Keep as many bytes as are allowed at the time."""
        self._most_bytes = most_bytes
        self._runs: dict[RunKey, _Kept] = {}
        # The least worth first; what a use made worth more is put back when its turn comes.
        self._queue: list[tuple[int, int, RunKey, _Kept]] = []
        self._queued = 0
        self._cores: dict[Hashable, set[RunKey]] = {}
        self._gone = 0
        self.bytes = 0

    def __contains__(self, key: RunKey) -> bool:
        """Whether the run is here."""
        return key in self._runs

    def __len__(self) -> int:
        """How many runs are here."""
        return len(self._runs)

    def get(self, key: RunKey) -> Pane | None:
        """The run, which is used now; None where it is not here."""
        kept = self._runs.get(key)
        if kept is None:
            return None
        kept.worth = self._gone + key.panes
        return kept.run

    def put(self, key: RunKey, run: Pane, *, is_core: bool = False) -> None:
        """Keep a run; from now on it is only read."""
        self.drop(key)
        run.narrow()
        kept = self._runs[key] = _Kept(run, run.nbytes, self._gone + key.panes)
        self.bytes += kept.size
        if is_core:
            self._cores.setdefault(key.about, set()).add(key)
        self._enqueue(key, kept)

    def spare(self, key: RunKey) -> None:
        """Let a run go before others: a longer one holds it."""
        kept = self._runs.get(key)
        if kept is not None:
            kept.worth = self._gone
            self._enqueue(key, kept)

    def cores(self, about: Hashable) -> list[RunKey]:
        """The cores that are here."""
        return list(self._cores.get(about, ()))

    def drop(self, key: RunKey) -> None:
        """Forget a run."""
        kept = self._runs.pop(key, None)
        if kept is not None:
            self.bytes -= kept.size
            self._cores.get(key.about, set()).discard(key)

    def trim(self) -> None:
        """Let runs go until the others fit."""
        most = self._most_bytes()
        while self.bytes > most:
            worth, _, key, kept = heappop(self._queue)
            if self._runs.get(key) is not kept:
                continue
            if kept.worth > worth:
                self._enqueue(key, kept)
                continue
            self._gone = worth
            self.drop(key)

    def forget(self, before: int) -> None:
        """Forget the runs that begin before this time."""
        for key in [key for key in self._runs if key.start < before]:
            self.drop(key)

    def clear(self) -> None:
        """Forget all."""
        self._runs.clear()
        self._cores.clear()
        self._queue.clear()
        self.bytes = 0

    def _enqueue(self, key: RunKey, kept: _Kept) -> None:
        if len(self._queue) > 2 * len(self._runs) + 100:
            # Most of what stands in it was dropped.
            self._queue = [one for one in self._queue if self._runs.get(one[2]) is one[3]]
            heapify(self._queue)
        self._queued += 1
        heappush(self._queue, (kept.worth, self._queued, key, kept))
