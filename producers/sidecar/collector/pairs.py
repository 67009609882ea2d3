"""Two halves made one exchange, or given up.

Pure: whoever calls says what time it is. What waits is bounded in number and in time, and so is
what is remembered of ids that are done with: a second event of the same kind and id is the same
event sent again (brokers deliver at least once), and one that comes after its other half was given
up is late.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from producers.sidecar.collector.half import Half, Key

Refusal = Literal["duplicate", "late"]


class Pair(NamedTuple):
    """Both halves of an exchange."""

    request: Half
    response: Half


class Pairs:
    """Halves that wait for their other half, each for `wait_s` seconds, at most `most` of them."""

    def __init__(self, wait_s: float, most: int) -> None:
        """Nothing waits yet."""
        self._wait_s = wait_s
        self._most = most
        # Both in the order in which they came, so that what is overdue stands in front.
        self._waiting: dict[Key, Half] = {}
        self._done: dict[Key, tuple[float, Refusal]] = {}

    def __len__(self) -> int:
        """How many halves wait."""
        return len(self._waiting)

    def add(self, half: Half) -> Pair | Refusal | None:
        """The pair that this half completes, why it counts for nothing, or None: it waits."""
        done = self._done.get(half.key)
        if done is not None and half.came < done[0]:
            return done[1]
        other = self._waiting.get(half.key)
        if other is None:
            self._waiting[half.key] = half
            return None
        if other.kind == half.kind:
            return "duplicate"
        del self._waiting[half.key]
        self._remember(half.key, half.came, "duplicate")
        return Pair(half, other) if half.kind == "request" else Pair(other, half)

    def overdue(self, now: float) -> list[Half]:
        """Take out the halves that have waited long enough."""
        found = []
        for half in self._waiting.values():
            if half.came + self._wait_s > now:
                break
            found.append(half)
        self._give_up(found, now)
        while self._done and next(iter(self._done.values()))[0] <= now:
            del self._done[next(iter(self._done))]
        return found

    def overflow(self, now: float) -> list[Half]:
        """Take out the oldest halves that are too many."""
        found = list(self._waiting.values())[: max(0, len(self._waiting) - self._most)]
        self._give_up(found, now)
        return found

    def give_up(self, half: Half) -> Half | None:
        """Take out what waits for this half, which will not come; None where nothing does."""
        other = self._waiting.get(half.key)
        if other is None or other.kind == half.kind:
            return None
        self._give_up([other], half.came)
        return other

    def clear(self) -> list[Half]:
        """Take out everything."""
        found = list(self._waiting.values())
        self._waiting.clear()
        return found

    def _give_up(self, halves: list[Half], now: float) -> None:
        for half in halves:
            del self._waiting[half.key]
            self._remember(half.key, now, "late")

    def _remember(self, key: Key, now: float, refusal: Refusal) -> None:
        self._done.pop(key, None)
        self._done[key] = (now + self._wait_s, refusal)
        if len(self._done) > self._most:
            del self._done[next(iter(self._done))]
