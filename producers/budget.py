"""One bound, in bytes, for everything that waits in memory."""

from __future__ import annotations

from threading import Lock


class ByteBudget:
    """Bytes that copies, rows and batches may hold together; safe to use from any thread.

    What asks with a `reserve` leaves that much for the others: large predictions leave room for
    the small latency events, so that a dead broker blinds the error rate last.

    >>> budget = ByteBudget(100)
    >>> budget.take(80, reserve=10), budget.take(15, reserve=10), budget.take(15)
    (True, False, True)
    >>> budget.give(80)
    >>> budget.used
    15
    """

    def __init__(self, limit: int) -> None:
        """Bound what waits to `limit` bytes."""
        self.limit = limit
        self._used = 0
        self._lock = Lock()

    @property
    def used(self) -> int:
        """Bytes that are held now."""
        return self._used

    def take(self, size: int, *, reserve: int = 0) -> bool:
        """Hold `size` bytes more, if they fit; what was refused must be dropped and counted."""
        with self._lock:
            if self._used + size > self.limit - reserve:
                return False
            self._used += size
            return True

    def exchange(self, before: int, after: int) -> None:
        """Hold `after` bytes in place of `before`: the same thing in another form always fits."""
        with self._lock:
            self._used += after - before

    def give(self, size: int) -> None:
        """Hold `size` bytes less."""
        with self._lock:
            self._used -= size
