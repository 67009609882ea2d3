"""How the engine sends to Kafka: what `app.py` implements with Faust."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

from kafka.errors import KafkaError
from redis.exceptions import RedisClusterException, RedisError

TRANSIENT = (
    RedisError,
    RedisClusterException,
    KafkaError,
    OSError,
    TimeoutError,
)
"""What goes away by itself: tried again with back-off, and said."""

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 10.0


class Transport(Protocol):
    """Sends records."""

    async def send(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send one record; returns once the broker has taken it.

        Raises:
            OSError: it did not, and may have lost it: to be sent again.
        """


def partition_of_model(model: str, partitions: int) -> int:
    """The partition that carries a model's notices and results: one worker evaluates a model.

    >>> partition_of_model("fraud", 4)
    2
    """
    return zlib.crc32(model.encode()) % partitions
