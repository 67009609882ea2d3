"""How the engine talks to Kafka: what `app.py` implements with Faust."""

from __future__ import annotations

import zlib
from typing import Protocol

from kafka.errors import KafkaError
from redis.exceptions import RedisError

from pipeline.state.keys import SourcePartition

TRANSIENT = (RedisError, KafkaError, TimeoutError, ConnectionError)
"""What goes away by itself: tried again with back-off, and said."""

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 10.0


class Transport(Protocol):
    """Sends records, and knows how long the logs are."""

    async def send(
        self, topic: str, key: bytes, value: bytes, partition: int | None = None
    ) -> None:
        """Send one record; returns once the broker has taken it."""

    def end_of(self, source: SourcePartition) -> int | None:
        """The offset after the last in the log, as far as the consumer knows."""


def partition_of_model(model: str, partitions: int) -> int:
    """The partition that carries a model's notices and results: one worker evaluates a model.

    >>> partition_of_model("fraud", 4)
    3
    """
    return zlib.crc32(model.encode()) % partitions
