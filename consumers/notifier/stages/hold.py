"""Hold: the interface of the stages that hold an alert back for now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from consumers.notifier.reason import Hold
from consumers.notifier.stages.route import Route


class Holder(Protocol):
    """A stage that may hold an alert back; it says why, or None."""

    def hold(self, route: Route, labels: Mapping[str, str], now: int) -> Hold | None:
        """Why an alert with these labels is not told now (ms since the epoch)."""
        ...
