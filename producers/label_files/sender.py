"""Labels to Kafka: one batch at a time for each partition, as fast as the broker takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from inferwatch.errors import ServiceUnreachableError
from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import ARROW_STREAM, CONTENT_TYPE, ORIGIN, SEQ, Kind
from inferwatch.events.label import Label
from producers.batching import partition_of

_ROWS = 4_096
_IN_FLIGHT = 32
_DELIVERY_S = 120.0
_ROW_BYTES = 20  # ts, two offsets, and a little


class LabelSender:
    """Sends labels of one run, numbered per partition from 0.

    The partition of a label is that of its id, as for every other sender, so that a correction
    follows what it corrects. Memory is bounded: at most 32 batches are on their way.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        topic: str,
        partitions: int,
        origin: str,
        batch_bytes: int,
    ) -> None:
        """Connect.

        Args:
            options: of every kafka-python client.
            topic: full name.
            partitions: of the topic.
            origin: of this run; never used again.
            batch_bytes: about the largest batch, well below `limits.event_bytes`.
        """
        self._topic = topic
        self._origin = origin.encode()
        self._batch_bytes = batch_bytes
        self._waiting: list[list[Label]] = [[] for _ in range(partitions)]
        self._bytes = [0] * partitions
        self._next = [0] * partitions
        self._in_flight: deque[Any] = deque()
        self._producer = KafkaProducer(
            **{
                "acks": "all",
                "compression_type": "lz4",
                "enable_idempotence": False,
                "max_request_size": 32 * 2**20,
                # The topic is there; librdkafka's mock cluster needs to be asked this way.
                "allow_auto_create_topics": "api_version" in options,
                **options,
            }
        )

    @property
    def sent(self) -> int:
        """Labels handed over; all of them arrived once `finish` is through."""
        return sum(self._next)

    def add(self, label: Label) -> None:
        """Send a label, now or with others of its partition."""
        partition = partition_of(label.id, len(self._waiting))
        rows = self._waiting[partition]
        size = _ROW_BYTES + 4 * (len(label.id) + len(str(label.label)))
        if rows and (len(rows) >= _ROWS or self._bytes[partition] + size > self._batch_bytes):
            self._send(partition)
            rows = self._waiting[partition]
        rows.append(label)
        self._bytes[partition] += size

    def finish(self) -> None:
        """Send what waits, and return when the broker has all of it.

        Raises:
            ServiceUnreachableError: it did not take a batch within two minutes.
        """
        for partition in range(len(self._waiting)):
            self._send(partition)
        while self._in_flight:
            self._settle()

    def close(self) -> None:
        """End the connection; what is still on its way is given up."""
        self._producer.close(timeout=1)

    def _send(self, partition: int) -> None:
        rows, self._waiting[partition] = self._waiting[partition], []
        self._bytes[partition] = 0
        if not rows:
            return
        while len(self._in_flight) >= _IN_FLIGHT:
            self._settle()
        first = self._next[partition]
        self._next[partition] += len(rows)
        headers = [
            (CONTENT_TYPE, ARROW_STREAM.encode()),
            (ORIGIN, self._origin),
            (SEQ, str(first).encode()),
        ]
        try:
            self._in_flight.append(
                self._producer.send(
                    self._topic,
                    value=write_batch(Kind.LABEL, rows),
                    partition=partition,
                    headers=headers,
                )
            )
        except KafkaError as error:
            raise self._refused(error) from error

    def _settle(self) -> None:
        try:
            self._in_flight.popleft().get(timeout=_DELIVERY_S)
        except KafkaError as error:
            raise self._refused(error) from error

    def _refused(self, error: KafkaError) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"Kafka did not take labels for {self._topic} ({type(error).__name__}: {error}); "
            "once it is up, send the file again: a label that comes twice counts once"
        )
