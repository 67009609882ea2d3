"""Kafka: a record for each alert, the event as it came, on a topic of the config's own broker.

The key is the fingerprint, so that what becomes of an alert stays in order. Headers say what made
the record: `id` (the message's, the same at every try), `transition`, `receiver`, `reason`. The
topic is never made here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from kafka import KafkaProducer
from kafka.errors import (
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from consumers.notifier.apart import apart
from consumers.notifier.channels.interface import Permanent, Retryable, Sent
from consumers.notifier.notification import Notification
from inferwatch.broker import kafka_options
from inferwatch.settings.notify.channels import KafkaSettings
from inferwatch.settings.services import BrokerSettings

_REFUSALS = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)


class KafkaChannel:
    """Writes to one topic; connects at the first message."""

    def __init__(self, settings: KafkaSettings, broker: BrokerSettings) -> None:
        """Keep the topic's name and how the broker is reached.

        Raises:
            UsageError: the broker is embedded, so that only `inferwatch up` knows its address.
        """
        self._topic = settings.topic
        self._timeout_ms = settings.timeout
        self._options = kafka_options(broker)
        self._producer: Any = None
        self._making = threading.Lock()

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`; done when the broker has every record, on all its replicas."""
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                await apart(lambda: self._write(message))
        except _REFUSALS as error:
            raise Permanent(f"Kafka: {self._topic} refused it ({_name(error)})") from None
        except (TimeoutError, KafkaTimeoutError):
            raise Retryable(
                f"Kafka: {self._topic} took nothing within {self._timeout_ms / 1000:g} s; "
                "if the topic is not there, create it"
            ) from None
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka: {self._topic} took nothing ({_name(error)})") from None
        return Sent(f"written to {self._topic}")

    def _write(self, message: Notification) -> None:
        until = time.monotonic() + self._timeout_ms / 1000
        producer = self._connected(until)
        futures = [
            producer.send(
                self._topic,
                key=alert.fingerprint.encode(),
                value=alert.to_json(),
                headers=[
                    ("content-type", b"application/json"),
                    ("id", message.id.encode()),
                    ("transition", alert.id.encode()),
                    ("receiver", message.receiver.encode()),
                    ("reason", str(message.reason).encode()),
                ],
            )
            for alert in message.alerts
        ]
        for future in futures:
            future.get(timeout=max(0.0, until - time.monotonic()))

    def _connected(self, until: float) -> Any:
        # Who waited in vain behind another's try is not to try for as long again.
        if not self._making.acquire(timeout=max(0.0, until - time.monotonic())):
            raise KafkaTimeoutError
        try:
            if self._producer is None:
                self._producer = KafkaProducer(
                    **{
                        **self._options,
                        "acks": "all",
                        "allow_auto_create_topics": False,
                        "bootstrap_timeout_ms": self._timeout_ms,
                        "max_block_ms": self._timeout_ms,
                        # What a try leaves behind must be gone before the next message's record.
                        "request_timeout_ms": self._timeout_ms,
                        "delivery_timeout_ms": self._timeout_ms,
                    }
                )
            return self._producer
        finally:
            self._making.release()

    async def close(self) -> None:
        """See `Channel`; what was not written is left to the next try."""
        if self._producer is not None:
            await apart(lambda: self._producer.close(timeout=1))
            self._producer = None


def _name(error: BaseException) -> str:
    return type(error).__name__
