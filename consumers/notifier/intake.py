"""Intake: records of the alerts topic become transitions in their lanes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from consumers.notifier.stages.group import destinations
from consumers.notifier.stages.route import Route
from consumers.notifier.store.interface import Filing, Store
from consumers.notifier.transition import transition_from_json
from inferwatch.errors import RejectedEventError
from inferwatch.events.alert import Status
from inferwatch.settings.notify import NotifySettings

_log = logging.getLogger(__name__)

# What is older than this when it is read is history: if its incident is over, nobody is paged.
OLD_MS = 300_000


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the alerts topic.

    Attributes:
        old: whether it lay there before this installation first looked.
        timestamp: the broker's time of it (ms since the epoch).
    """

    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    old: bool = False


class Intake:
    """Routes what is read, and files it.

    A record is filed before the position moves on; filing it twice does nothing. A record that is
    no alert event is passed over, and said so: it must not stop the ones behind it.
    """

    def __init__(self, store: Store, notify: NotifySettings, tree: Route) -> None:
        """Route by a tree, into a store."""
        self._store = store
        self._notify = notify
        self._tree = tree

    async def take(self, records: Sequence[Record], now: int) -> int:
        """File records in their order; how many transitions were new."""
        filings = [f for record in records for f in self._filing(record, now)]
        new = await self._store.file(filings, now)
        read: dict[int, int] = {}
        for record in records:
            read[record.partition] = max(read.get(record.partition, 0), record.offset + 1)
        await self._store.move_to(read)
        return sum(new)

    def _filing(self, record: Record, now: int) -> list[Filing]:
        if record.value is None:
            # A tombstone of the compacted topic.
            return []
        try:
            transition = transition_from_json(record.value)
        except RejectedEventError as error:
            _log.warning(
                "partition %d offset %d of the alerts is passed over: %s",
                record.partition,
                record.offset,
                error,
            )
            return []
        if transition.status == Status.FIRING and transition.ends_at is not None:
            # Over before a worker that caught up a backlog could tell: recorded, nobody is paged.
            return []
        routes = self._tree.reached(transition.labels)
        return [
            Filing(
                transition,
                destinations(routes, self._notify, transition.labels, now),
                backlog=record.old or now - record.timestamp > OLD_MS,
            )
        ]
