"""Writes the journal behind the notifier's back: a broker that is away holds up no page."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from consumers.notifier.apart import apart
from consumers.notifier.journal.entry import Entry
from inferwatch.errors import ServiceUnreachableError

_log = logging.getLogger(__name__)

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0

Write = Callable[[Mapping[str, bytes | None]], None]


class JournalWriter:
    """Keeps the latest value of each key until the topic has it.

    What is noted is written within moments, in any order of keys. A process that is killed before
    leaves the journal as it was: should Redis be emptied too, a message may come again, with the
    same id.
    """

    def __init__(self, write: Write) -> None:
        """Write with a function that blocks, and raises ServiceUnreachableError."""
        self._write = write
        self._waiting: dict[str, bytes | None] = {}
        self._noted = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()

    def note(self, entry: Entry) -> None:
        """Have an entry written soon; a later one with its key replaces it."""
        self._waiting[entry.key] = entry.value
        self._written.clear()
        self._noted.set()

    async def run(self) -> None:
        """Write what is noted, until cancelled."""
        wait = FIRST_BACKOFF_S
        while True:
            await self._noted.wait()
            self._noted.clear()
            taken, self._waiting = self._waiting, {}
            try:
                await apart(lambda entries=taken: self._write(entries))  # type: ignore[misc]
            except ServiceUnreachableError as error:
                self._waiting = taken | self._waiting
                self._noted.set()
                _log.warning("what Redis holds is in no second place: %s; in %.0f s", error, wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_BACKOFF_S)
                continue
            wait = FIRST_BACKOFF_S
            if not self._waiting:
                self._written.set()

    async def settle(self, timeout_s: float) -> None:
        """Wait until all is written, or the time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._written.wait(), timeout_s)
