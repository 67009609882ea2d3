"""Events for replays, written in a few words."""

from typing import Any

START = 1_764_000_000_000


def row(after_s: float, **more: Any) -> dict[str, Any]:
    """A prediction so many seconds after the start of the first window."""
    event = {"model": "shop", "version": "1", "ts": START + round(after_s * 1000)}
    return {**event, "prediction": "yes", **more}
