"""Kafka's side of publishing: one connection, and what became of each batch."""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kafka import KafkaProducer
from kafka.errors import (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from inferwatch import topics
from inferwatch.events.kinds import ARROW_STREAM, CONTENT_TYPE, ORIGIN, SEQ, Kind
from producers.batching import Batch

TOPICS = {
    Kind.PREDICTION: topics.PREDICTIONS,
    Kind.LATENCY: topics.LATENCIES,
    Kind.RESOURCE: topics.RESOURCES,
    Kind.LABEL: topics.LABELS,
}

# A batch that these errors meet would meet them for ever.
HOPELESS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError)

Done = Callable[[Batch, BaseException | None], None]


class Broker(Protocol):
    """What the publisher needs of a broker; every method may raise whatever the client raises."""

    def partitions(self, kind: Kind) -> int:
        """How many partitions the topic has."""

    def send(self, batch: Batch, done: Done) -> None:
        """Send; `done` is called once, from any thread, with the error or None."""

    def close(self, timeout_s: float) -> None:
        """End the connection."""

    def abandon(self) -> None:
        """Never touch the connection again: this process is a child, and it is its parent's."""


class KafkaBroker:
    """A Kafka reached by kafka-python.

    A batch that fails is not tried again for long here: the publisher sends it again under the
    same number, and the worker counts every number once. So the client needs neither idempotence
    nor the right to it.
    """

    def __init__(self, options: Mapping[str, Any], *, prefix: str) -> None:
        """Connect; raises KafkaError when no broker answers within 3 s."""
        self._prefix = prefix
        self._producer = KafkaProducer(
            **{
                "acks": "all",
                "enable_idempotence": False,
                "max_in_flight_requests_per_connection": 1,
                "compression_type": "lz4",
                "linger_ms": 0,
                "max_request_size": 32 * 2**20,
                "max_block_ms": 3_000,
                "request_timeout_ms": 5_000,
                "delivery_timeout_ms": 10_000,
                "bootstrap_timeout_ms": 3_000,
                "reconnect_backoff_max_ms": 2_000,
                "metadata_max_age_ms": 60_000,
                "metrics_enabled": False,
                # Topics are made with the config's partitions, never by accident; librdkafka's
                # mock cluster (the only one that needs `api_version`) knows no other way.
                "allow_auto_create_topics": "api_version" in options,
                **options,
            }
        )
        # The client's own hook would close it at the end of the process, before all is sent.
        atexit.unregister(getattr(self._producer, "_cleanup", len))

    def partitions(self, kind: Kind) -> int:
        """How many partitions the topic has; waits up to 3 s for the first answer."""
        known = self._producer.partitions_for(self._topic(kind))
        return max(1, len(known or ()))

    def send(self, batch: Batch, done: Done) -> None:
        """Hand a batch to the client."""
        future = self._producer.send(
            self._topic(batch.kind),
            value=batch.payload,
            key=batch.key,
            partition=batch.partition,
            headers=[
                (CONTENT_TYPE, ARROW_STREAM.encode()),
                (ORIGIN, batch.origin.encode()),
                (SEQ, str(batch.seq).encode()),
            ],
        )
        future.add_callback(lambda _metadata: done(batch, None))
        future.add_errback(lambda error: done(batch, error))

    def close(self, timeout_s: float) -> None:
        """End the connection; what was not acknowledged is given up."""
        with contextlib.suppress(Exception):
            self._producer.close(timeout=timeout_s)

    def abandon(self) -> None:
        """Keep the client from closing its parent's connection, as it does when it is collected."""
        self._producer._closed = True  # noqa: SLF001 - the client knows no forks

    def _topic(self, kind: Kind) -> str:
        return TOPICS[kind].full_name(self._prefix)
