"""The notifier as a process: it reads alerts, files them, and sends what is due.

The stages of an alert, in order: route, group (`intake.py`), then, when its lane is due, collect,
hold, dedup, send, retry, record (`pipeline.py`, `sender.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from kafka.errors import KafkaError
from redis.exceptions import RedisError

from consumers.notifier.alerts_topic import AlertsTopic
from consumers.notifier.apart import apart
from consumers.notifier.channels.build import build_channels, close_channels
from consumers.notifier.clock import WallClock
from consumers.notifier.delivery import append_lines, delivery_lines
from consumers.notifier.heartbeat import beat, filing
from consumers.notifier.incidents import read_incidents
from consumers.notifier.intake import Intake, Record
from consumers.notifier.journal.entry import Entry, remembered, with_incidents
from consumers.notifier.journal.topic import JournalTopic, read_entries
from consumers.notifier.journal.writer import JournalWriter
from consumers.notifier.notification import Notification
from consumers.notifier.sender import Sender
from consumers.notifier.stages.route import build_tree
from consumers.notifier.store.redis import RedisStore
from consumers.notifier.vitals import read_vitals
from inferwatch.broker import reach_broker
from inferwatch.errors import ServiceUnreachableError, StateFormatError, UsageError
from inferwatch.settings import Settings
from inferwatch.settings.notify import NotifySettings
from inferwatch.settings.notify.heartbeat import HeartbeatSettings
from inferwatch.store import connect_async, reach_redis
from inferwatch.tasks import end_tasks

T = TypeVar("T")
_log = logging.getLogger(__name__)

POLL_MS = 300
IDLE_S = 0.5
COMPARE_MS = 1_000
LONGEST_BACKOFF_S = 15.0
# Ends within 5 s of a signal: what is on its way gets most of it.
LAST_READ_S = 1.0
LAST_SENDS_S = 2.0
LAST_ENTRIES_S = 0.5


class Notifier:
    """One notifier; several run side by side."""

    def __init__(self, settings: Settings, deliveries: Path | None) -> None:
        """Build everything from the config; nothing connects yet.

        Raises:
            UsageError: no `notify` section, or a receiver that this version cannot send to.
        """
        notify = _whom_to_tell(settings)
        self._settings = settings
        self._notify = notify
        self._deliveries = deliveries
        self._clock = WallClock()
        self._channels = build_channels(notify, settings)
        self._redis = connect_async(settings.redis)
        self._store = RedisStore(self._redis, settings.topics.prefix)
        tree = build_tree(notify)
        self._intake = Intake(self._store, notify, tree)
        self._topic = AlertsTopic(settings)
        self._journal_topic = JournalTopic(settings)
        self._journal = JournalWriter(self._journal_topic.write)
        self._sender = Sender(
            self._store,
            notify,
            tree,
            self._channels,
            self._clock,
            self._log_delivery,
            self._journal.note,
        )
        self._position: dict[int, int] = {}
        self._compared_at = 0
        self._stop = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loops = [asyncio.create_task(self._read()), asyncio.create_task(self._send())]
        if self._notify.heartbeat is not None:
            loops.append(asyncio.create_task(self._beat(self._notify.heartbeat)))
        journal = asyncio.create_task(self._journal.run())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([*loops, stopping], return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            self._wake.set()
            self._caught_up.set()
            done, _ = await asyncio.wait(loops, timeout=LAST_READ_S)
            for task in done:
                task.result()
            await self._sender.settle(LAST_SENDS_S)
            await self._journal.settle(LAST_ENTRIES_S)
        finally:
            await end_tasks([stopping, *loops, journal])
            await asyncio.to_thread(self._topic.close)
            await apart(self._journal_topic.close)
            await close_channels(self._channels)
            await self._redis.aclose()

    async def _read(self) -> None:
        """Read alerts and file them, over and over."""
        opened = False
        while not self._stop.is_set():
            if not opened:
                opened = await self._patiently("Kafka", self._open) is not None
                continue
            try:
                records = await asyncio.to_thread(self._topic.poll, POLL_MS)
            except (KafkaError, OSError) as error:
                _log.warning("Kafka: reading alerts failed (%s); connecting again", error)
                opened = False
                continue
            if records:
                await self._file(records)
            if await self._has_lost():
                _log.warning("Redis came back without its last writes; reading alerts again")
                opened = False
                continue
            if not self._caught_up.is_set() and await asyncio.to_thread(self._topic.caught_up):
                opened = bool(await self._patiently("Redis", self._store.make_whole))
                if opened:
                    self._caught_up.set()
                # Else it was emptied again meanwhile: all over.

    async def _open(self) -> bool:
        await self._remember()
        stored = await self._store.positions()
        if self._settings.start != "earliest":
            # Lost positions must not lead to where a new installation would begin.
            stored = self._position | stored
        # What Redis has lost since is no news, but no history either: it is told again as it was.
        history = not self._position
        positions = await asyncio.to_thread(self._topic.open, stored, history=history)
        # Noted at once: after a restart nothing that comes later is taken for history.
        made_anew = {n: at for n, at in positions.items() if at < stored.get(n, 0)}
        await self._store.move_to(made_anew, back=True)
        await self._store.move_to(positions)
        self._position = positions
        _log.info("reading alerts from %s", positions)
        return True

    async def _remember(self) -> None:
        """Give the store back what it lost; until all is read again, nothing new is sent."""
        now = self._clock.now()
        entries = await apart(lambda: read_entries(self._settings))
        found = remembered(entries, now)
        for key in found.forgettable:
            self._journal.note(Entry(key, None))
        if await self._store.whole():
            # Of what it has, only its last second may be lost: an end that it knows stays known.
            found = replace(found, acknowledgements=(), lanes=())
        else:
            self._caught_up.clear()
            if found.lanes:
                incidents = await apart(lambda: read_incidents(self._settings))
                found = with_incidents(found, incidents)
        await self._store.restore(found, now)

    async def _has_lost(self) -> bool:
        """Whether Redis holds less than it once took: it crashed, failed over, or was emptied.

        What it lost is read again; what it still has is filed once only.
        """
        now = self._clock.now()
        if now < self._compared_at + COMPARE_MS:
            return False
        whole = await self._patiently("Redis", self._store.whole)
        stored = await self._patiently("Redis", self._store.positions)
        self._compared_at = now
        if whole is False and self._caught_up.is_set():
            return True
        return stored is not None and any(
            stored.get(n, -1) < offset for n, offset in self._position.items()
        )

    async def _file(self, records: list[Record]) -> None:
        async def take() -> int:
            new = await self._intake.take(records, self._clock.now())
            for record in records:
                self._position[record.partition] = record.offset + 1
            return new

        if await self._patiently("Redis", take):
            self._wake.set()

    async def _send(self) -> None:
        """Send what is due, over and over; only after the backlog was read."""
        while not self._stop.is_set():
            await self._caught_up.wait()
            self._wake.clear()
            started = await self._patiently("Redis", self._sender.sweep)
            if started:
                continue
            due = await self._patiently("Redis", self._store.next_due)
            wait = IDLE_S if due is None else (due - self._clock.now()) / 1000
            wait = max(0.02 if self._sender.busy else 0.001, min(wait, IDLE_S))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    async def _beat(self, schedule: HeartbeatSettings) -> None:
        """Give a sign of life at each of its times; at the start also the last one."""
        at = schedule.last_before(self._clock.now())
        while not self._stop.is_set():
            await self._caught_up.wait()
            wait = (at - self._clock.now()) / 1000
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), min(wait, LONGEST_BACKOFF_S))
                continue
            since = schedule.last_before(at - 1)
            await self._patiently("Kafka or Redis", partial(self._give_sign, at, since))
            at = schedule.next_after(self._clock.now())

    async def _give_sign(self, at: int, since: int) -> bool:
        vitals = await apart(lambda: read_vitals(self._settings, since))
        firing = len(await self._store.open_alerts())
        made = filing(beat(at, since, vitals, firing), self._notify)
        await self._store.file([made], self._clock.now())
        self._wake.set()
        return True

    async def _patiently(self, what: str, action: Callable[[], Awaitable[T]]) -> T | None:
        """Do it, again and again with longer waits while a service is away; None when stopped."""
        wait = 0.5
        while not self._stop.is_set():
            try:
                return await action()
            except (RedisError, KafkaError, OSError, ServiceUnreachableError) as error:
                said = " ".join(str(error).split()) or type(error).__name__
                _log.warning("%s does not answer (%s); again in %.1f s", what, said, wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait)
            wait = min(wait * 2, LONGEST_BACKOFF_S)
        return None

    async def _log_delivery(
        self, message: Notification, attempt: int, ok: bool, detail: str
    ) -> None:
        if self._deliveries is None:
            return
        now = self._clock.now()
        lines = list(delivery_lines(message, attempt, now, ok=ok, detail=detail))
        try:
            await asyncio.to_thread(append_lines, self._deliveries, lines)
        except OSError as error:
            # The log is for people; that it cannot be written keeps nobody from being told.
            _log.error("cannot write %s: %s", self._deliveries, error)


def serve(settings: Settings, deliveries: Path | None) -> None:
    """Run a notifier until it is told to end.

    Raises:
        UsageError: the config has nobody to tell, or a kind of receiver that is not there.
        ServiceUnreachableError: Kafka or Redis did not answer at the start.
        StateFormatError: a newer version wrote the state.
    """

    async def main() -> None:
        await Notifier(settings, deliveries).run()

    # Before anything is tried on the network: a wrong config is told at once.
    build_channels(_whom_to_tell(settings), settings)
    reach_redis(settings)
    reach_broker(settings)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster loop, where it is installed (it has no wheel for Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _whom_to_tell(settings: Settings) -> NotifySettings:
    if settings.notify is None:
        raise UsageError("the config has no `notify` section, so there is nobody to tell")
    return settings.notify


__all__ = ["Notifier", "StateFormatError", "serve"]
