"""A record of the two topics as what it says."""

from __future__ import annotations

from consumers.dashboard.source import Record
from inferwatch.events.alert import Alert
from inferwatch.events.json_codec import alert_from_json, window_from_json
from inferwatch.events.window import WindowResult
from inferwatch.settings.types import parse_window
from inferwatch.topics import ALERTS


def decode(record: Record) -> WindowResult | Alert | None:
    """The result or alert; None for a compaction mark.

    Raises:
        ValueError, TypeError: it is neither; it is passed over and counted.
    """
    if record.value is None:
        return None
    if record.topic.endswith(ALERTS.name):
        alert = alert_from_json(record.value)
        if not isinstance(alert, Alert):
            raise TypeError("an alert is an object")
        return alert
    result = window_from_json(record.value)
    if not isinstance(result, WindowResult):
        raise TypeError("a window result is an object")
    parse_window(result.window)
    return result
