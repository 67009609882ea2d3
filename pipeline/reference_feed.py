"""References as they come: the compacted topic read to its end, again and again.

An embedded broker keeps nothing over a restart, so the copy in Redis is read too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import orjson
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.events.json_codec import reference_from_json
from inferwatch.settings import Settings
from inferwatch.store import connect
from pipeline.log import ANSWER_WITHIN_MS, end_offsets
from pipeline.reference.catalog import ReferenceCatalog

log = logging.getLogger(__name__)

READ_EVERY_S = 0.2
READ_WITHIN_S = 60.0


class ReferenceFeed:
    """Keeps a catalog of references up to date."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is read before `read_to_end`."""
        self.catalog = ReferenceCatalog()
        self._settings = settings
        self._name = topics.REFERENCES.full_name(settings.topics.prefix)
        self._key = f"{settings.topics.prefix}inferwatch:references"
        self._consumer: Any = None
        self._one_at_a_time = asyncio.Lock()
        self._reading_began = float("-inf")

    async def read_to_end(self) -> None:
        """Read all that is published by now: nothing is folded before."""
        await asyncio.to_thread(self._read_to_end)

    async def read_again(self) -> None:
        """Return once all that was published before this call is known.

        Callers share a reading: it must have begun after the call. One that began a moment ago is
        waited for and followed by one more; there are at most five a second.
        """
        called = asyncio.get_running_loop().time()
        async with self._one_at_a_time:
            if self._reading_began > called:
                return
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(self._reading_began + READ_EVERY_S - now)
            began = asyncio.get_running_loop().time()
            await asyncio.to_thread(self._read_on)
            self._reading_began = began

    def close(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None:
            self._consumer.close()

    def _read_to_end(self) -> None:
        with connect(self._settings.redis) as client:
            copies: dict[bytes, bytes] = client.hgetall(self._key)
        for key, data in sorted(copies.items()):
            stored = orjson.loads(data)
            self._add(orjson.dumps(stored["profile"]), stored["published_at"], key.decode())
        self._consumer = KafkaConsumer(
            **kafka_options(self._settings.broker),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=ANSWER_WITHIN_MS,
            reconnect_backoff_max_ms=1_000,
        )
        parts = self._assign()
        if parts:
            self._read_up_to(end_offsets(self._consumer, parts))

    def _read_on(self) -> None:
        parts = list(self._consumer.assignment()) or self._assign()
        if parts:
            self._read_up_to(end_offsets(self._consumer, parts))

    def _read_up_to(self, ends: Mapping[TopicPartition, int]) -> None:
        until = time.monotonic() + READ_WITHIN_S
        while any(self._consumer.position(part) < end for part, end in ends.items()):
            if time.monotonic() > until:
                raise TimeoutError(f"{self._name} was not read to its end in {READ_WITHIN_S:g} s")
            self._poll()

    def _assign(self) -> list[TopicPartition]:
        """Take all partitions of the topic, from their beginning; none while there is no topic."""
        numbers = self._consumer.partitions_for_topic(self._name) or ()
        parts = [TopicPartition(self._name, number) for number in sorted(numbers)]
        if parts:
            self._consumer.assign(parts)
            self._consumer.seek_to_beginning(*parts)
        return parts

    def _poll(self) -> None:
        for records in self._consumer.poll(timeout_ms=200).values():
            for record in records:
                if record.value is not None:
                    key = (record.key or b"").decode(errors="replace")
                    self._add(record.value, record.timestamp, key)

    def _add(self, data: bytes, published_at: int, key: str) -> None:
        try:
            profile = reference_from_json(data)
        except (ValueError, TypeError, KeyError) as error:
            # Somebody wrote something else into the topic: say so, and go on with the rest.
            log.error("the reference %s cannot be read: %s", key, error)
            return
        known = self.catalog.by_fingerprint
        if profile.fingerprint not in known:
            log.info("reference %s of %s", profile.fingerprint, profile.model)
        self.catalog.add(profile, published_at)
