"""Records to Kafka, each to a partition of its own choosing, until the broker has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from inferwatch.broker import kafka_options
from inferwatch.errors import ServiceUnreachableError
from inferwatch.redrive.resend import Header
from inferwatch.settings import Settings

_DELIVER_S = 60.0
_IN_FLIGHT = 500
_AGAIN = "once Kafka is well, run the same command again: what arrived already counts once"


class Post:
    """A producer; at most 500 records are on their way."""

    def __init__(self, settings: Settings) -> None:
        """Connect.

        Raises:
            ServiceUnreachableError: Kafka does not answer.
        """
        options = kafka_options(settings.broker)
        try:
            self._producer: Any = KafkaProducer(
                **options,
                acks="all",
                compression_type="lz4",
                enable_idempotence=False,
                # librdkafka's mock cluster needs to be asked this way; elsewhere topics are there.
                allow_auto_create_topics="api_version" in options,
            )
        except KafkaError as error:
            raise _refused("Kafka", error) from error
        self._in_flight: deque[tuple[str, Any]] = deque()

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
    ) -> None:
        """Send a record; it may wait for others to arrive.

        Raises:
            ServiceUnreachableError: Kafka does not take it, or did not take an earlier one.
        """
        while len(self._in_flight) >= _IN_FLIGHT:
            self._take_one()
        try:
            future = self._producer.send(
                topic, key=key, value=value, partition=partition, headers=list(headers)
            )
        except KafkaError as error:
            raise _refused(topic, error) from error
        self._in_flight.append((topic, future))

    def settle(self) -> None:
        """Return once the broker has all that was sent.

        Raises:
            ServiceUnreachableError: it has not.
        """
        while self._in_flight:
            self._take_one()

    def close(self) -> None:
        """Disconnect; what is still on its way is given up."""
        self._producer.close(timeout=1)

    def _take_one(self) -> None:
        topic, future = self._in_flight.popleft()
        try:
            future.get(timeout=_DELIVER_S)
        except KafkaError as error:
            raise _refused(topic, error) from error


def _refused(topic: str, error: KafkaError) -> ServiceUnreachableError:
    said = " ".join(str(error).split()) or type(error).__name__
    return ServiceUnreachableError(f"{topic} took no record ({said}); {_AGAIN}")
