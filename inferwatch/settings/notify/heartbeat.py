"""The sign of life: a message by the clock, so that silence is known to be health."""

from __future__ import annotations

from pydantic import Field

from inferwatch.settings.notify.schedule import Schedule
from inferwatch.settings.types import Text


class HeartbeatSettings(Schedule):
    """A message that says that all is watched, and how much: when it comes, and who gets it."""

    receiver: Text = Field(min_length=1)
    """Who gets it."""
