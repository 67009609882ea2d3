"""The time of an event."""

from __future__ import annotations

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.describe import describe

# Room for window arithmetic on both sides inside 64 bits; 146 million years before the epoch.
EARLIEST = -(2**62)


def event_time(value: object, latest: int) -> int:
    """`ts` in milliseconds since the epoch: a whole number (1764000000123.0 too), maybe negative.

    Args:
        value: as sent.
        latest: the record's own Kafka timestamp plus `limits.future`.

    Raises:
        RejectedEventError: `no_ts` when absent or null; `future` beyond `latest`; `malformed` for
            anything else that is no whole number.

    >>> event_time(1764000000123.0, 1764000300000), event_time(-1, 0)
    (1764000000123, -1)
    """
    if value is None:
        raise RejectedEventError("no_ts", "ts", "the event has no time")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RejectedEventError(
            "malformed",
            "ts",
            f"it is {describe(value)}; whole milliseconds since the epoch are wanted",
        )
    if value > latest:
        raise too_far_ahead(value, latest)
    if value < EARLIEST:
        raise RejectedEventError("malformed", "ts", "no time lies that far back")
    return value


def too_far_ahead(ts: int, latest: int) -> RejectedEventError:
    """The rejection of a time that lies in the future."""
    return RejectedEventError(
        "future",
        "ts",
        f"it lies {ts - latest} ms beyond the record's own timestamp plus limits.future; "
        "is it in milliseconds, and is the sender's clock right?",
    )
