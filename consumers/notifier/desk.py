"""The desk of the one on call: silences and acknowledgements, from a terminal."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from consumers.notifier.acknowledgement import Acknowledgement
from consumers.notifier.clock import WallClock
from consumers.notifier.journal.entry import Entry, acknowledgement_entry, silence_entry
from consumers.notifier.journal.topic import write_once
from consumers.notifier.stages.silence import Silence
from consumers.notifier.store.redis import RedisStore
from inferwatch.errors import InferwatchError, UsageError
from inferwatch.settings import Settings
from inferwatch.settings.notify.matchers import Matcher
from inferwatch.store import connect_async, reach_redis

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Desk:
    """Reads and writes what all notifiers of a config share: silences and acknowledgements."""

    def __init__(self, settings: Settings) -> None:
        """Check that Redis answers.

        Raises:
            ServiceUnreachableError: it does not.
        """
        reach_redis(settings)
        self._settings = settings
        self._clock = WallClock()

    def add(
        self, matchers: Sequence[Matcher], *, duration: int, comment: str, created_by: str
    ) -> Silence:
        """Silence what matches, from now on for `duration` ms."""
        now = self._clock.now()
        silence = Silence(
            id=str(uuid.uuid4()),
            matchers=tuple(matchers),
            starts_at=now,
            ends_at=now + duration,
            created_by=created_by,
            comment=comment,
        )
        self._with_store(lambda store: store.put_silence(silence, now))
        self._keep(silence_entry(silence))
        return silence

    def list(self) -> list[Silence]:
        """The silences that are not over, the one that ends first at the top."""
        now = self._clock.now()
        found = self._with_store(lambda store: store.silences())
        return sorted((s for s in found if s.ends_at > now), key=lambda s: (s.ends_at, s.id))

    def expire(self, silence_id: str) -> Silence:
        """End a silence now.

        Raises:
            UsageError: there is none of this id.
        """
        found = [s for s in self.list() if s.id == silence_id]
        if not found:
            raise UsageError(
                f"there is no silence {silence_id!r} that is not over; "
                "see `inferwatch silence list`"
            )
        now = self._clock.now()
        over = replace(found[0], ends_at=now)
        self._with_store(lambda store: store.put_silence(over, now))
        self._keep(silence_entry(over))
        return over

    def acknowledgements(self) -> dict[str, Acknowledgement]:
        """Who works on which incident, by incident."""
        return self._with_store(lambda store: store.acknowledgements())

    def acknowledge(self, incident: str, *, by: str, comment: str) -> Acknowledgement:
        """Stop the repeats about an incident until it resolves; the latest one counts."""
        taken = Acknowledgement(incident=incident, at=self._clock.now(), by=by, comment=comment)
        self._with_store(lambda store: store.acknowledge(taken))
        self._keep(acknowledgement_entry(taken))
        return taken

    def _keep(self, entry: Entry) -> None:
        """Write it to `monitoring.state` too; it already holds, so a failure is told, no more."""
        try:
            write_once(self._settings, [entry])
        except InferwatchError as error:
            _log.warning("it holds, but would be lost with Redis: %s", error)

    def _with_store(self, work: Callable[[RedisStore], Awaitable[T]]) -> T:
        async def main() -> T:
            redis = connect_async(self._settings.redis)
            try:
                return await work(RedisStore(redis, self._settings.topics.prefix))
            finally:
                await redis.aclose()

        return asyncio.run(main())
