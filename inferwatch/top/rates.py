"""How fast rows come, by two looks at the system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferwatch.settings.types import parse_window

if TYPE_CHECKING:
    from pipeline.status import ModelStatus, SystemStatus


def rows_per_s(before: SystemStatus | None, now: SystemStatus) -> float | None:
    """Rows counted a second since the look before; None without one, or after Redis was emptied."""
    if before is None or now.at <= before.at:
        return None
    more = _rows(now) - _rows(before)
    return None if more < 0 else more * 1000 / (now.at - before.at)


def window_rows_per_s(model: ModelStatus) -> float | None:
    """Rows a second of the model's latest window; None without one."""
    if model.window is None or model.rows is None:
        return None
    return model.rows * 1000 / parse_window(model.window).size


def _rows(status: SystemStatus) -> int:
    return sum(partition.rows for partition in status.partitions)
