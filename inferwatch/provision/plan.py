"""What every topic should be by the config, and how a topic of the broker differs from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from inferwatch import topics
from inferwatch.settings.tree import DAY, Settings
from inferwatch.settings.types import format_duration
from inferwatch.topics import Cleanup, Retention, Topic

WITHOUT_END = "-1"
"""Kafka's way to say that a retention never ends."""

_HOUR = 3_600_000
# A transition is seen by everybody who reads `monitoring.alerts` within a week.
_ALERTS_UNCOMPACTED_MS = 7 * DAY
# Kafka's own default; and what keys, headers and a batch's frame may add to an event.
_USUAL_RECORD_BYTES = 1_048_588
_RECORD_OVERHEAD_BYTES = 64 * 1024
# Of the segment that is written to nothing is compacted, and Kafka closes one at 1 GiB or after a
# week: a topic that is read whole would hold that much of what its keys no longer say.
_STATE_TUNING = {
    "segment.bytes": str(64 * 1024 * 1024),
    "segment.ms": str(_HOUR),
    "min.cleanable.dirty.ratio": "0.1",
}


class Fit(StrEnum):
    """When the value of a topic's setting is good enough."""

    EQUAL = "equal"
    AT_LEAST = "at least"  # where -1 stands for "without end"
    AT_MOST = "at most"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one setting of a topic has to be."""

    value: str
    fit: Fit

    def accepts(self, actual: str | None) -> bool:
        """Whether a topic that has `actual` is good enough.

        >>> Wanted("1000", Fit.AT_LEAST).accepts("-1"), Wanted("1000", Fit.AT_LEAST).accepts("999")
        (True, False)
        >>> Wanted("0.1", Fit.AT_MOST).accepts("0.5")
        False
        """
        if actual is None:
            return False
        if self.fit is Fit.AT_MOST:
            return float(actual) <= float(self.value)
        if self.fit is Fit.EQUAL:
            return set(actual.split(",")) == set(self.value.split(","))
        if int(self.value) < 0:
            return int(actual) < 0
        return int(actual) < 0 or int(actual) >= int(self.value)


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What one topic should be.

    Attributes:
        name: on the broker, with the prefix.
        settings: by Kafka's own names.
        tuning: makes it quicker to read; a topic without it does no harm.
    """

    topic: Topic
    name: str
    partitions: int
    replication: int
    settings: Mapping[str, Wanted]
    tuning: Mapping[str, Wanted]

    def shortfalls(self, actual: Mapping[str, str]) -> dict[str, Wanted]:
        """The settings of which the topic has too little, or another value."""
        return {k: w for k, w in self.settings.items() if not w.accepts(actual.get(k))}

    def untuned(self, actual: Mapping[str, str]) -> dict[str, Wanted]:
        """The settings by which the topic could be quicker to read."""
        return {k: w for k, w in self.tuning.items() if not w.accepts(actual.get(k))}


def plan_topics(settings: Settings) -> list[TopicPlan]:
    """Every topic of the config, in the order of `inferwatch.topics.ALL`.

    >>> next(iter(plan_topics(Settings()))).settings["retention.ms"].value == str(49 * 3_600_000)
    True
    """
    return [
        TopicPlan(
            topic=topic,
            name=topic.full_name(settings.topics.prefix),
            partitions=settings.topics.partitions,
            replication=settings.topics.replication,
            settings=dict(_settings_of(topic, settings)),
            tuning=_tuning_of(topic),
        )
        for topic in topics.ALL
    ]


def rebuild_span(settings: Settings) -> int:
    """Milliseconds of events that a worker needs to rebuild every window that may still change.

    The longest window, the larger of `retention.restate` and the longest label horizon, and a day.
    """
    still_changing = max(settings.retention.restate, settings.longest_horizon)
    return settings.longest_window + still_changing + DAY


def describe(name: str, actual: str | None, wanted: Wanted) -> str:
    """One difference in words.

    >>> describe("retention.ms", "3600000", Wanted("90000000", Fit.AT_LEAST))
    'retention.ms is 3600000 (1h), at least 90000000 (25h) is needed'
    """
    is_bound = wanted.fit is not Fit.EQUAL and wanted.value != WITHOUT_END
    bound = f"{wanted.fit} " if is_bound else ""
    return f"{name} is {_readable(name, actual)}, {bound}{_readable(name, wanted.value)} is needed"


def _readable(name: str, value: str | None) -> str:
    if value is None:
        return "not set"
    if not name.endswith(".ms"):
        return value
    return f"{value} ({'without end' if int(value) < 0 else format_duration(int(value))})"


def _settings_of(topic: Topic, settings: Settings) -> Iterator[tuple[str, Wanted]]:
    yield "cleanup.policy", Wanted(topic.cleanup.value, Fit.EQUAL)
    if topic.cleanup is not Cleanup.COMPACT:
        yield "retention.ms", Wanted(str(_retention(topic, settings)), Fit.AT_LEAST)
    if topic in topics.INPUTS:
        # A bound in bytes would end the retention early, and a rebuild would miss rows.
        yield "retention.bytes", Wanted(WITHOUT_END, Fit.AT_LEAST)
        yield "message.timestamp.type", Wanted("LogAppendTime", Fit.EQUAL)
        largest = max(_USUAL_RECORD_BYTES, settings.limits.event_bytes + _RECORD_OVERHEAD_BYTES)
        yield "max.message.bytes", Wanted(str(largest), Fit.AT_LEAST)
    if topic is topics.ALERTS:
        yield "min.compaction.lag.ms", Wanted(str(_ALERTS_UNCOMPACTED_MS), Fit.AT_LEAST)


def _tuning_of(topic: Topic) -> dict[str, Wanted]:
    if topic is topics.REFERENCES:
        # By the sender's clock it would be in force for records that were counted before it came.
        return {"message.timestamp.type": Wanted("LogAppendTime", Fit.EQUAL)}
    values = _STATE_TUNING if topic is topics.STATE else {}
    return {name: Wanted(value, Fit.AT_MOST) for name, value in values.items()}


def _retention(topic: Topic, settings: Settings) -> int:
    if topic.retention is Retention.EVENTS:
        return rebuild_span(settings)
    if topic.retention is Retention.WAKE_UP:
        return _HOUR
    # A revision is numbered from what the topic says, so a window stays as long as it may change.
    return max(settings.retention.history, rebuild_span(settings))
