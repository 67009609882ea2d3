"""A record as it lies in the log, and the headers that say how to read it."""

from __future__ import annotations

from dataclasses import dataclass

from inferwatch.events.kinds import ORIGIN, SEQ, SPARSE

LARGEST_SEQ = 2**62
"""Room for arithmetic inside 64 bits; at a million rows a second it takes 146,000 years."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record of an input topic; `timestamp` is Kafka's own, in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a record, and the number of its first row.

    Attributes:
        origin: None for a sender that does not say who it is.
        first: None for a sender that does not number its rows; without an origin it means nothing.
        sparse: holes in the numbers mean nothing.
    """

    origin: str | None = None
    first: int | None = None
    sparse: bool = False


_NOBODY = Sender()


def sender_of(headers: tuple[tuple[str, bytes], ...]) -> Sender:
    """The sender by the headers `origin`, `seq` and `sparse`; of one given twice the last counts.

    Foreign producers may use these names for something else, so a `seq` that is no ASCII decimal
    numbers nothing; the rows still count.

    >>> sender_of((("origin", b"pod-1"), ("seq", b"17")))
    Sender(origin='pod-1', first=17, sparse=False)
    """
    if not headers:
        return _NOBODY
    found = {name.lower(): value for name, value in headers if value is not None}
    # Two names that are no UTF-8 stay two names.
    origin = found.get(ORIGIN, b"").decode("utf-8", "backslashreplace") or None
    digits = found.get(SEQ, b"")
    first = int(digits) if digits.isdigit() and len(digits) < 20 else None
    if first is not None and first > LARGEST_SEQ:
        first = None
    return Sender(origin, first, found.get(SPARSE, b"").strip() == b"1")
