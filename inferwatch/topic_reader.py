"""Reads a topic from its begin to where it ends now, without a group: looking changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from inferwatch.broker import kafka_options
from inferwatch.errors import ServiceUnreachableError
from inferwatch.settings import Settings

_POLL_MS = 500
_SILENT_S = 30.0
_BOOTSTRAP_MS = 10_000


def read_to_end(
    settings: Settings, topic: str, *, since: int | None = None, latest: int | None = None
) -> Iterator[Any]:
    """The records of a topic (its name on the broker), each partition's in order.

    A topic that does not exist holds none, and is not made.

    Args:
        settings: how the broker is reached.
        topic: its name on the broker.
        since: only what came from this time on (the broker's, ms since the epoch).
        latest: of each partition at most so many of the latest records.

    Raises:
        ServiceUnreachableError: no broker answered, or it fell silent before the end.
    """
    try:
        consumer = KafkaConsumer(
            **kafka_options(settings.broker),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=_BOOTSTRAP_MS,
        )
        try:
            yield from _records(consumer, topic, since, latest)
        finally:
            consumer.close()
    except (KafkaError, OSError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ServiceUnreachableError(f"Kafka: {topic} could not be read ({said})") from error


def _records(consumer: Any, topic: str, since: int | None, latest: int | None) -> Iterator[Any]:
    parts = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic) or ())]
    if not parts:
        return
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    if since is not None:
        found = consumer.offsets_for_times(dict.fromkeys(parts, since))
        for part in parts:
            consumer.seek(part, found[part].offset if found.get(part) else ends[part])
    if latest is not None:
        for part in parts:
            consumer.seek(part, max(consumer.position(part), ends[part] - latest))
    heard_at = time.monotonic()
    # Up to a position, not up to a record: compaction may have taken the last ones.
    while any(consumer.position(part) < ends[part] for part in parts):
        found = consumer.poll(timeout_ms=_POLL_MS)
        if found:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > _SILENT_S:
            raise ServiceUnreachableError(
                f"Kafka: {topic} fell silent before its end; is every broker of the cluster up?"
            )
        for records in found.values():
            yield from records
