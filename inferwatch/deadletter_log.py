"""The dead letters that the broker holds; without a consumer group, so looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from inferwatch.broker import admin, kafka_options
from inferwatch.errors import ServiceUnreachableError
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.json_codec import from_plain
from inferwatch.settings import Settings
from inferwatch.topics import DEADLETTER

_POLL_MS = 1_000
_SILENT_POLLS = 30


def letter_id(letter: DeadLetter) -> str:
    """How a dead letter is asked for: `TOPIC/PARTITION/OFFSET`, and `/ROW` inside a batch.

    >>> letter = DeadLetter(reason="no_ts", detail="", where="ts", topic="inference.labels",
    ...     partition=0, offset=17, row=3, at=0, length=0, sha256=None, data=None)
    >>> letter_id(letter)
    'inference.labels/0/17/3'
    """
    place = f"{letter.topic}/{letter.partition}/{letter.offset}"
    return place if letter.row is None else f"{place}/{letter.row}"


def read_letters(settings: Settings) -> Iterator[DeadLetter]:
    """All dead letters, from the oldest that is kept to those that are there now.

    Records that are no dead letters are passed over. A topic that does not exist holds none.

    Raises:
        ServiceUnreachableError: no broker answered, or it fell silent.
    """
    topic = DEADLETTER.full_name(settings.topics.prefix)
    with admin(settings.broker) as client:
        if topic not in client.list_topics():
            return
    options = kafka_options(settings.broker)
    try:
        consumer = KafkaConsumer(
            **options,
            enable_auto_commit=False,
            group_id=None,
            allow_auto_create_topics="api_version" in options,
        )
        try:
            yield from _read(consumer, topic)
        finally:
            consumer.close()
    except KafkaError as error:
        raise ServiceUnreachableError(
            f"Kafka: {topic} could not be read ({type(error).__name__}: {error})"
        ) from error


def _read(consumer: KafkaConsumer, topic: str) -> Iterator[DeadLetter]:
    parts = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    silent = 0
    # Up to a position, not up to a record: the last offsets may hold none.
    while any(consumer.position(part) < ends[part] for part in parts):
        records = consumer.poll(timeout_ms=_POLL_MS)
        silent = 0 if records else silent + 1
        if silent > _SILENT_POLLS:
            raise ServiceUnreachableError(
                f"Kafka: {topic} fell silent before its end; is every broker of the cluster up?"
            )
        for part, found in records.items():
            for record in found:
                if record.offset < ends[part] and (letter := _letter(record.value)):
                    yield letter


def _letter(value: bytes | None) -> DeadLetter | None:
    try:
        return from_plain(DeadLetter, orjson.loads(value or b""))
    except (orjson.JSONDecodeError, TypeError):
        return None
