"""Why a message is sent, and why one is held back: the words that a person reads."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is sent; it stands in the log, in the metrics and in the message."""

    FIRST = "first notification"
    NEW_ALERTS = "new alerts in group"
    ALL_RESOLVED = "all alerts resolved"
    SOME_RESOLVED = "some alerts resolved"
    CORRECTED = "alert corrected"
    REPEAT = "repeat interval elapsed"
    ESCALATED = "escalated"
    INSTEAD = "its receiver does not take it"
    DIGEST = "digest"
    HEARTBEAT = "heartbeat"
    TEST = "test of the receiver"


class Hold(StrEnum):
    """Why an alert is held back for now."""

    INHIBITED = "inhibited by another alert"
    SILENCED = "silenced"
    MUTED = "in a mute time interval"
    OFF_DUTY = "outside of the active time intervals"
    ACKNOWLEDGED = "acknowledged"
    NOT_YET = "there is still time to acknowledge it"
