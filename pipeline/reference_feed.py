"""References as they come: the compacted topic read to its end, then followed.

An embedded broker keeps nothing over a restart, so the copy in Redis is read too.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson
from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.events.json_codec import reference_from_json
from inferwatch.settings import Settings
from inferwatch.store import connect
from pipeline.reference.catalog import ReferenceCatalog

log = logging.getLogger(__name__)

FOLLOW_EVERY_S = 1.0


class ReferenceFeed:
    """Keeps a catalog of references up to date."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is read before `read_to_end`."""
        self.catalog = ReferenceCatalog()
        self._settings = settings
        self._name = topics.REFERENCES.full_name(settings.topics.prefix)
        self._key = f"{settings.topics.prefix}inferwatch:references"
        self._consumer: Any = None

    async def read_to_end(self) -> None:
        """Read all that is published by now: nothing is folded before."""
        await asyncio.to_thread(self._read_to_end)

    async def follow_for_ever(self) -> None:
        """Take in what is published from now on."""
        while True:
            await asyncio.sleep(FOLLOW_EVERY_S)
            try:
                await asyncio.to_thread(self._poll)
            except KafkaError as error:
                log.warning("references: %s", error)

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
        )
        parts = self._assign()
        ends = self._consumer.end_offsets(parts) if parts else {}
        while any(self._consumer.position(part) < ends[part] for part in parts):
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
        if not self._consumer.assignment() and not self._assign():
            return
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
