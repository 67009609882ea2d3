"""The journal's topic: read to its end, and written until the broker has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from consumers.notifier.journal.entry import Entry
from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.errors import ServiceUnreachableError
from inferwatch.settings import Settings
from inferwatch.topic_reader import read_to_end

_WAIT_MS = 5_000
_DELIVER_S = 10.0


def read_entries(settings: Settings) -> dict[str, bytes]:
    """The latest value of every key of `monitoring.state`.

    Raises:
        ServiceUnreachableError: Kafka does not answer.
    """
    name = topics.STATE.full_name(settings.topics.prefix)
    latest: dict[bytes, tuple[int, bytes | None]] = {}
    for record in read_to_end(settings, name):
        # By time, because a topic that got more partitions has older values of a key elsewhere.
        if record.key is not None and record.timestamp >= latest.get(record.key, (0, None))[0]:
            latest[record.key] = (record.timestamp, record.value)
    return {
        key.decode("utf-8", "replace"): value
        for key, (_, value) in latest.items()
        if value is not None
    }


class JournalTopic:
    """Writes entries; connects at the first one."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing connects yet."""
        self._settings = settings
        self._name = topics.STATE.full_name(settings.topics.prefix)
        self._producer: Any = None

    def write(self, entries: Mapping[str, bytes | None]) -> None:
        """Return once the broker has them all; a value of None takes a key back.

        Raises:
            ServiceUnreachableError: the topic is not there, or the broker does not answer.
        """
        try:
            if self._producer is None:
                self._producer = KafkaProducer(
                    **kafka_options(self._settings.broker),
                    acks="all",
                    allow_auto_create_topics=False,
                    bootstrap_timeout_ms=_WAIT_MS,
                    max_block_ms=_WAIT_MS,
                )
            sent = [
                self._producer.send(self._name, key=key.encode(), value=value)
                for key, value in entries.items()
            ]
            for future in sent:
                future.get(timeout=_DELIVER_S)
        except (KafkaError, OSError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise ServiceUnreachableError(
                f"Kafka: {self._name} took no record ({said}); if it is not there, create it with "
                "`inferwatch topics create`"
            ) from error

    def close(self) -> None:
        """Disconnect at once; what was not written is left."""
        if self._producer is not None:
            self._producer.close(timeout=1)
            self._producer = None


def write_once(settings: Settings, entries: Iterable[Entry]) -> None:
    """Write a few entries; see `JournalTopic.write`."""
    topic = JournalTopic(settings)
    try:
        topic.write({e.key: e.value for e in entries})
    finally:
        topic.close()
