"""The topic `monitoring.windows` as its writers read it: what stands there, and who wrote it.

The topic is the truth for revisions. It is read to its end before a model is evaluated, and
listened to from there on: a worker that was thought dead may still publish a late result, which
the one that evaluates the model now must set right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from inferwatch.events.json_codec import window_from_json
from inferwatch.events.window import WindowResult
from pipeline.decode import RawRecord
from pipeline.log import LogReader, raw_record
from pipeline.published import Published
from pipeline.state.keys import SourcePartition
from pipeline.transport import partition_of_model

log = logging.getLogger(__name__)

WORKER = "worker"
"""The header that names the worker which published a result."""

POLL_MS = 20


class WindowsLog:
    """Reads the published windows of some models; blocking, one thread at a time."""

    def __init__(self, topic: str, partitions: int, reader: LogReader, worker_id: str) -> None:
        """Read this topic; what `worker_id` wrote itself is not told back to it."""
        self._topic = topic
        self._partitions = partitions
        self._reader = reader
        self._worker_id = worker_id.encode()
        self._consumer: Any = None
        self._positions: dict[TopicPartition, int] = {}

    def read(self, models: Collection[str]) -> dict[str, Published]:
        """What the topic says of these models, read from its beginning to its end."""
        published = {model: Published() for model in models}
        for part in self._parts(models):
            source = SourcePartition(part.topic, part.partition)
            first, after = self._reader.bounds(source)
            self._positions.setdefault(part, after)
            for records in self._reader.read(source, first, after):
                for result, at in _results(records, published.__contains__):
                    published[result.model].learn(result, at)
        return published

    def overhear(self, models: Collection[str]) -> list[tuple[WindowResult, int]]:
        """What other workers published of these models since the last call, and when."""
        parts = self._parts(models)
        self._positions = {p: at for p, at in self._positions.items() if p in parts}
        if not self._positions:
            return []
        try:
            return self._overhear(set(models))
        except KafkaError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _overhear(self, models: set[str]) -> list[tuple[WindowResult, int]]:
        if self._consumer is None:
            self._consumer = self._reader.consumer()
        if self._consumer.assignment() != self._positions.keys():
            self._consumer.assign(list(self._positions))
            for part, position in self._positions.items():
                self._consumer.seek(part, position)
        heard: list[tuple[WindowResult, int]] = []
        while polled := self._consumer.poll(timeout_ms=POLL_MS):
            for part, records in polled.items():
                self._positions[part] = records[-1].offset + 1
                foreign = (raw_record(r) for r in records if not self._is_own(r))
                heard.extend(_results(foreign, models.__contains__))
        return heard

    def _is_own(self, record: Any) -> bool:
        return (WORKER, self._worker_id) in (record.headers or ())

    def _parts(self, models: Collection[str]) -> set[TopicPartition]:
        numbers = {partition_of_model(model, self._partitions) for model in models}
        return {TopicPartition(self._topic, number) for number in numbers}


def _results(
    records: Iterator[RawRecord] | list[RawRecord], wanted: Callable[[str], bool]
) -> Iterator[tuple[WindowResult, int]]:
    """The results of wanted models; what is no window result of ours is passed over.

    Only the key is looked at before a record is read: `model/version/segment/window`, where the
    model's name may hold slashes.
    """
    for record in records:
        key = (record.key or b"").decode(errors="replace").split("/")
        if record.value is None or not any(
            wanted("/".join(key[:end])) for end in range(1, len(key))
        ):
            continue
        try:
            result = window_from_json(record.value)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning(
                "%s, partition %d, offset %d is no window result of this version: %s",
                record.topic,
                record.partition,
                record.offset,
                error,
            )
            continue
        if wanted(result.model):
            yield result, record.timestamp
