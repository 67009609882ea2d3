"""Where events go: the interface between what makes them and what sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from inferwatch.events.kinds import Kind
from inferwatch.events.label import Label
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.events.resource import Resource

Event = Prediction | Latency | Resource | Label


class Sink(Protocol):
    """Takes events from any thread, never waits and never raises."""

    def publish(self, kind: Kind, rows: Sequence[Event]) -> bool:
        """Take the rows; False where some were dropped (and counted) instead."""

    def drop(self, kind: Kind, rows: int, reason: str) -> None:
        """Count rows that will never come; their numbers are used up, so the hole is seen."""
