"""The folding task: from the log to the state in memory and in Redis, and on to the browsers.

    1. read up to 500 records (a thread: kafka-python blocks)
    2. fold them into catalogue and incidents
    3. write what changed to Redis, then the position
    4. tell the browsers, so that what they fetch next is there

After any failure it loads the state from Redis again and goes on from the position in it, so that
memory never runs ahead of Redis for long. It retries for ever, from 1 s to 30 s apart.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kafka.errors import KafkaError
from redis.exceptions import RedisError

from consumers.dashboard.catalogue import Catalogue, FoldedWindow
from consumers.dashboard.decode import decode
from consumers.dashboard.event_log import EventLog
from consumers.dashboard.incidents import Incident, Incidents
from consumers.dashboard.positions import Partition, Positions
from consumers.dashboard.source import Source
from consumers.dashboard.store import Store, StoreEmptiedError
from consumers.dashboard.views import incident_view, window_view
from inferwatch.errors import ServiceUnreachableError
from inferwatch.events.alert import Alert
from inferwatch.events.window import WindowResult

log = logging.getLogger(__name__)

FORGET_EVERY_MS = 600_000
FLOOD = 200
"""Results in one turn above which browsers are told to fetch anew instead of one by one."""

Item = WindowResult | Alert


class Folder:
    """Keeps the state; everything but reading Kafka happens on the event loop."""

    def __init__(
        self,
        open_source: Callable[[Positions], Source],
        store: Store,
        *,
        clock: Callable[[], int],
        history_ms: int,
    ) -> None:
        """Prepare; `run` does the work. `clock` is wall time in milliseconds."""
        self._open_source = open_source
        self._store = store
        self._clock = clock
        self._history_ms = history_ms
        self._thread = ThreadPoolExecutor(1, "kafka")
        self._forgot_at = 0
        self.events = EventLog()
        self.catalogue = Catalogue()
        self.incidents = Incidents()
        self.lag: dict[Partition, int] = {}
        self.trouble: str | None = "starting"
        self.caught_up = False
        self.folded: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    async def run(self) -> None:
        """Fold until cancelled.

        Raises:
            StateFormatError: Redis holds what a newer version wrote.
        """
        wait_s = 1.0
        while True:
            try:
                await self._load()
                wait_s = 1.0
                await self._follow()
            except (KafkaError, RedisError, OSError, ServiceUnreachableError) as error:
                self.trouble = f"{type(error).__name__}: {error}".splitlines()[0]
                log.warning("cannot go on: %s; trying again in %.0f s", self.trouble, wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(30.0, wait_s * 2)
            except StoreEmptiedError as error:
                log.warning("%s", error)

    def close(self) -> None:
        """Let the reading thread go, once `run` has ended."""
        self._thread.shutdown(wait=True)

    async def _load(self) -> None:
        self._positions = await self._store.positions()
        self.catalogue = Catalogue(await self._store.heads())
        self.incidents = Incidents(await self._store.incidents())
        self.events.publish("reset", {})

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        source = await loop.run_in_executor(self._thread, self._open_source, self._positions)
        try:
            while True:
                items, skipped = await loop.run_in_executor(self._thread, _read, source)
                self.skipped += skipped
                await self._take(items, source.positions)
                self.lag = dict(source.lag)
                self.trouble = None
                self.caught_up = self.caught_up or not any(self.lag.values())
                await self._forget()
        finally:
            # A cancelled task still lets the thread end its poll, which takes 250 ms at most.
            await asyncio.shield(loop.run_in_executor(self._thread, source.close))

    async def _take(self, items: list[Item], positions: Positions) -> None:
        windows: list[FoldedWindow] = []
        incidents: list[Incident] = []
        for item in items:
            if isinstance(item, Alert):
                incident = self.incidents.fold(item)
                incidents += [incident] if incident else []
            else:
                window = self.catalogue.fold(item, positions.generation, self._clock())
                windows += [window] if window else []
        if positions != self._positions:
            await self._store.write(windows, incidents, positions)
            self._positions = positions
        self.folded.update(windows=len(windows), alerts=len(incidents))
        self._tell(windows, incidents)

    def _tell(self, windows: list[FoldedWindow], incidents: list[Incident]) -> None:
        if len(windows) > FLOOD:
            self.events.publish("reset", {})
        else:
            for window in windows:
                self.events.publish("window", window_view(window.head, window.result.start))
        for incident in incidents:
            self.events.publish("incident", incident_view(incident))

    async def _forget(self) -> None:
        now = self._clock()
        if now - self._forgot_at < FORGET_EVERY_MS:
            return
        self._forgot_at = now
        series = self.catalogue.forget(now - self._history_ms)
        # Incidents have event time only: what is replayed from years ago is not old.
        newest = max((h.end for h in self.catalogue.heads()), default=now)
        incidents = self.incidents.forget(min(now, newest) - self._history_ms)
        if series or incidents:
            await self._store.forget(series, incidents)


def _read(source: Source) -> tuple[list[Item], Counter[str]]:
    items: list[Item] = []
    skipped: Counter[str] = Counter()
    for record in source.poll():
        try:
            item = decode(record)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            skipped[record.topic] += 1
            where = f"{record.topic}/{record.partition}/{record.offset}"
            log.warning("%s: passed over, it cannot be read: %s", where, error)
        else:
            items += [] if item is None else [item]
    return items, skipped
