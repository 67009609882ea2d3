"""Every topic, in one table: name, key, cleanup, who keeps it how long.

Names take `topics.prefix` in front; consumer groups are `<prefix>inferwatch.<part>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cleanup(StrEnum):
    """Kafka's `cleanup.policy`."""

    DELETE = "delete"
    COMPACT = "compact"
    COMPACT_DELETE = "compact,delete"


class Retention(StrEnum):
    """What decides how long a topic keeps its records."""

    EVENTS = "events"  # longest window + the larger of restate and label horizon + 1 d
    HISTORY = "history"  # retention.history
    WAKE_UP = "wake-up"  # an hour is plenty
    FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic; `name` is without the prefix.

    >>> PREDICTIONS.full_name("eu.")
    'eu.inference.predictions'
    """

    name: str
    key: str
    cleanup: Cleanup
    retention: Retention

    def full_name(self, prefix: str) -> str:
        """The name on the broker."""
        return prefix + self.name


PREDICTIONS = Topic("inference.predictions", "origin", Cleanup.DELETE, Retention.EVENTS)
LATENCIES = Topic("inference.latencies", "origin", Cleanup.DELETE, Retention.EVENTS)
RESOURCES = Topic("inference.resources", "origin", Cleanup.DELETE, Retention.EVENTS)
LABELS = Topic("inference.labels", "prediction id", Cleanup.DELETE, Retention.EVENTS)
REFERENCES = Topic(
    "monitoring.references", "model/version/fingerprint", Cleanup.COMPACT, Retention.FOREVER
)
DIRTY = Topic("monitoring.dirty", "model", Cleanup.DELETE, Retention.WAKE_UP)
STATE = Topic("monitoring.state", "kind/id", Cleanup.COMPACT, Retention.FOREVER)
WINDOWS = Topic(
    "monitoring.windows", "model/version/segment/window", Cleanup.DELETE, Retention.HISTORY
)
ALERTS = Topic("monitoring.alerts", "fingerprint", Cleanup.COMPACT_DELETE, Retention.HISTORY)
DEADLETTER = Topic(
    "monitoring.deadletter", "topic/partition/offset", Cleanup.DELETE, Retention.HISTORY
)

INPUTS = (PREDICTIONS, LATENCIES, RESOURCES, LABELS)
ALL = (*INPUTS, REFERENCES, DIRTY, STATE, WINDOWS, ALERTS, DEADLETTER)


def consumer_group(prefix: str, part: str) -> str:
    """The consumer group of a part of the system.

    >>> consumer_group("", "worker")
    'inferwatch.worker'
    """
    return f"{prefix}inferwatch.{part}"
