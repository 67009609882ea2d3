"""What a live run published, read as it comes, and held against the recompute of the same log."""

from typing import Any

import orjson
from kafka import KafkaConsumer
from kafka.structs import TopicPartition
from recompute import differences, identity, read_topic, recompute

from inferwatch import topics
from inferwatch.broker import kafka_options
from pipeline.reference_publish import published_references

BY_CHANCE = ("revision", "late")
"""What depends on when a window was published; all else is a function of the log."""


class LiveResults:
    """The records of `monitoring.windows` of a run, in the order of the log.

    Attributes:
        windows: each window at its highest revision.
        went_down: windows whose revision did not rise with a new record; the same record once more
            is none (a broker that dies may have taken what is sent again).
        shrank: windows that lost rows from one record to the next, as a partial one would.
    """

    def __init__(self, settings) -> None:
        self._settings = settings
        self._name = topics.WINDOWS.full_name(settings.topics.prefix)
        self._consumer = KafkaConsumer(**kafka_options(settings.broker), enable_auto_commit=False)
        numbers = self._consumer.partitions_for_topic(self._name)
        self._parts = [TopicPartition(self._name, number) for number in sorted(numbers)]
        self._consumer.assign(self._parts)
        self._consumer.seek_to_beginning(*self._parts)
        self.windows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.records = 0
        self.went_down: list[str] = []
        self.shrank: list[str] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._consumer.close()

    def read(self):
        """Take in what was published by now."""
        ends = self._consumer.end_offsets(self._parts)
        while any(self._consumer.position(part) < ends[part] for part in self._parts):
            for records in self._consumer.poll(timeout_ms=200).values():
                for record in records:
                    self._take(orjson.loads(record.value))
        return self.windows

    def _take(self, window) -> None:
        self.records += 1
        key = identity(window)
        known = self.windows.get(key)
        if known is not None:
            if window["revision"] <= known["revision"] and window != known:
                self.went_down.append(f"{key}: {known['revision']}, then {window['revision']}")
            if window["rows"] < known["rows"]:
                self.shrank.append(f"{key}: {known['rows']} rows, then {window['rows']}")
        if known is None or window["revision"] >= known["revision"]:
            self.windows[key] = window


class Truth:
    """The recompute of the whole log, up to the windows that are final for sure."""

    def __init__(self, settings, ends_before) -> None:
        self._ends_before = ends_before
        inputs = {topic: read_topic(settings, topic) for topic in topics.INPUTS}
        self.records = sum(len(part) for topic in inputs.values() for part in topic.values())
        catalog = published_references(settings)
        self.references = len(catalog.by_fingerprint)
        self.windows = self._final(recompute(settings, inputs, catalog))

    def differences(self, windows) -> list[str]:
        """Every field of every window that is not the same."""
        got = self._final(windows)
        return [
            f"{key}: {line}"
            for key in self.windows.keys() | got.keys()
            for line in differences(got.get(key), self.windows.get(key), but=BY_CHANCE)
        ]

    def total(self, field) -> int:
        """The sum over the windows that tile the time."""
        return sum(
            window[field]
            for window in self.windows.values()
            if window["window"] == "2s" and window["segment"] is None
        )

    def _final(self, windows):
        return {k: w for k, w in windows.items() if w["end"] <= self._ends_before}
