"""Which number of partitions each topic began with, remembered in `monitoring.state`.

Correcting a label needs the partition that counted it, so partitions that are added later are a
fault that `topics check` has to see; the broker itself does not remember.

The record has the key `topics/partitions`; its value is a format number (one byte) and JSON,
`{"inference.predictions": 4, …}`, by topic without the prefix.
"""

from __future__ import annotations

import json
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.errors import ServiceUnreachableError, StateFormatError
from inferwatch.settings.tree import Settings

KEY = b"topics/partitions"
FORMAT = 1

_DEADLINE_S = 30.0


def pack(partitions: dict[str, int]) -> bytes:
    """The value of the record.

    >>> unpack(pack({"inference.labels": 4}))
    {'inference.labels': 4}
    """
    return bytes([FORMAT]) + json.dumps(partitions, sort_keys=True).encode()


def unpack(value: bytes) -> dict[str, int]:
    """Partitions by topic.

    Raises:
        StateFormatError: a newer version wrote it, or it is not ours.
    """
    found = value[0] if value else 0
    if not 0 < found <= FORMAT:
        raise StateFormatError(
            f"the record {KEY.decode()} of {topics.STATE.name} has format {found}, this version "
            f"reads up to {FORMAT}: take a newer version of inferwatch"
        )
    try:
        return {str(name): int(count) for name, count in json.loads(value[1:]).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise StateFormatError(
            f"the record {KEY.decode()} of {topics.STATE.name} cannot be read: {error}"
        ) from error


def recall(settings: Settings) -> dict[str, int]:
    """What is remembered; empty when nothing is.

    It reads all of `monitoring.state`, which is compacted and small; the topic has to exist.
    """
    name = topics.STATE.full_name(settings.topics.prefix)
    consumer = KafkaConsumer(
        **kafka_options(settings.broker),
        group_id=None,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        auto_offset_reset="earliest",
    )
    try:
        parts = [TopicPartition(name, p) for p in consumer.partitions_for_topic(name) or ()]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        newest: tuple[int, bytes] | None = None
        deadline = time.monotonic() + _DEADLINE_S
        while any(consumer.position(p) < ends[p] for p in parts):
            if time.monotonic() > deadline:
                raise ServiceUnreachableError(
                    f"Kafka: {name} could not be read within {_DEADLINE_S:g} s; "
                    "are all its partitions online?"
                )
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    ours = record.key == KEY and record.value is not None
                    if ours and (newest is None or record.timestamp >= newest[0]):
                        newest = (record.timestamp, record.value)
        return {} if newest is None else unpack(newest[1])
    except KafkaError as error:
        raise ServiceUnreachableError(f"Kafka: {name} could not be read: {error}") from error
    finally:
        consumer.close()


def remember(settings: Settings, partitions: dict[str, int]) -> None:
    """Write the record and wait until the broker has it."""
    name = topics.STATE.full_name(settings.topics.prefix)
    producer = KafkaProducer(**kafka_options(settings.broker), acks="all")
    try:
        producer.send(name, key=KEY, value=pack(partitions)).get(timeout=_DEADLINE_S)
    except KafkaError as error:
        raise ServiceUnreachableError(f"Kafka: {name} took no record: {error}") from error
    finally:
        producer.close()
