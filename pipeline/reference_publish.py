"""References published: written to the compacted topic and, for brokers that forget, to Redis."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import Any

import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError

from inferwatch import topics
from inferwatch.broker import kafka_options, reach_broker
from inferwatch.errors import ServiceUnreachableError
from inferwatch.events.json_codec import dumps
from inferwatch.events.reference import ReferenceProfile
from inferwatch.provision.partitions import partitions_of
from inferwatch.settings import Settings
from inferwatch.store import connect, reach_redis
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.reference_feed import ReferenceFeed

SEND_WITHIN_S = 30.0


def published_references(settings: Settings) -> ReferenceCatalog:
    """All references that are published, from the topic and its copy in Redis.

    Raises:
        ServiceUnreachableError: Kafka or Redis did not answer.
    """
    reach_broker(settings)
    reach_redis(settings)
    with closing(ReferenceFeed(settings)) as feed:
        asyncio.run(feed.read_to_end())
        return feed.catalog


def publish(settings: Settings, profile: ReferenceProfile) -> int:
    """Publish a profile: from now on rows of its model are counted against it.

    Returns:
        When it was published, in Kafka's time (milliseconds since the epoch): a model's first
        reference holds for records after that, a later one for windows that begin after it.

    Raises:
        UsageError: there is no topic for it.
        ServiceUnreachableError: Kafka or Redis did not answer.
    """
    reach_redis(settings)
    topic = topics.REFERENCES.full_name(settings.topics.prefix)
    if not settings.broker.mock:
        # A mock cluster makes a topic when something is sent to it, and cannot tell of it before.
        partitions_of(settings.broker, topic)
    key = f"{profile.model}/{profile.version or '*'}/{profile.fingerprint}"
    if profile.provisional:
        # What is promoted has the same content, and must not take the place of this record:
        # a rebuild asks since when it has been in force.
        key += "/provisional"
    published_at = _send(settings, topic, key.encode(), dumps(profile))
    copy = orjson.dumps({"profile": orjson.loads(dumps(profile)), "published_at": published_at})
    with connect(settings.redis) as client:
        client.hset(f"{settings.topics.prefix}inferwatch:references", key, copy)
    return published_at


def _send(settings: Settings, topic: str, key: bytes, value: bytes) -> int:
    producer: Any = KafkaProducer(
        **kafka_options(settings.broker),
        acks="all",
        compression_type="gzip",
        max_request_size=max(8 * 1024 * 1024, len(value) + 1024),
    )
    now = time.time_ns() // 1_000_000
    with closing(producer):
        try:
            sent = producer.send(topic, key=key, value=value, timestamp_ms=now)
            taken = sent.get(timeout=SEND_WITHIN_S)
        except KafkaError as error:
            raise ServiceUnreachableError(
                f"Kafka: the reference could not be written to {topic} "
                f"({type(error).__name__}: {error})"
            ) from error
    # A mock cluster answers with a made-up time, and keeps the sender's with the record.
    return now if settings.broker.mock else int(taken.timestamp)
