"""Looks at the system, one after the other, in a thread: the screen never waits for Kafka."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inferwatch.top.rates import rows_per_s

if TYPE_CHECKING:
    from pipeline.status import SystemStatus


@dataclass(frozen=True, slots=True)
class Look:
    """The last status that could be read, rows a second then, and why there is no newer one."""

    status: SystemStatus
    rate: float | None = None
    trouble: str = ""


class Looks:
    """Reads a status every so often; `last` is the newest."""

    def __init__(self, read: Callable[[], SystemStatus], every_s: float) -> None:
        """Take the first look.

        Raises:
            ServiceUnreachableError: Kafka or Redis does not answer.
        """
        self._read = read
        self._every_s = every_s
        self.last = Look(read())
        self._ended = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="looks").start()

    def close(self) -> None:
        """Take no further look; one that is under way is left alone."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.last = self.next(self.last)

    def next(self, before: Look) -> Look:
        """The next look; where nothing answers the status before stays, with the reason."""
        try:
            status = self._read()
        except Exception as error:
            # Whatever it is, the next look may do better; a thread that ends would say nothing.
            said = " ".join(str(error).split()) or type(error).__name__
            return Look(before.status, before.rate, said)
        return Look(status, rows_per_s(before.status, status))
