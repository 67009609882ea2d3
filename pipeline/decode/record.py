"""A record as it lies in the log, and the headers that say how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inferwatch.events.kinds import ORIGIN, REDRIVEN_ORIGIN, REDRIVEN_SEQ, SEQ, SPARSE

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
        fills: of a batch that was rejected and is sent again: the number that its first row had.
        fills_of: and the sender who gave it; None where only the batch itself says.
    """

    origin: str | None = None
    first: int | None = None
    sparse: bool = False
    fills: int | None = None
    fills_of: str | None = None


_NOBODY = Sender()


def sender_of(headers: tuple[tuple[str, bytes], ...]) -> Sender:
    """The sender by the headers `origin`, `seq` and `sparse`; of one given twice the last counts.

    Foreign producers may use these names for something else, so a `seq` that is no ASCII decimal
    numbers nothing; the rows still count.

    >>> sender = sender_of((("origin", b"pod-1"), ("seq", b"17")))
    >>> sender.origin, sender.first, sender.sparse
    ('pod-1', 17, False)
    """
    if not headers:
        return _NOBODY
    found = {name.lower(): value for name, value in headers if value is not None}
    return Sender(
        _name(found.get(ORIGIN)),
        _number(found.get(SEQ)),
        found.get(SPARSE, b"").strip() == b"1",
        _number(found.get(REDRIVEN_SEQ)),
        _name(found.get(REDRIVEN_ORIGIN)),
    )


def _name(value: bytes | None) -> str | None:
    # Two names that are no UTF-8 stay two names.
    return (value or b"").decode("utf-8", "backslashreplace") or None


def _number(value: bytes | None) -> int | None:
    digits = value or b""
    if not digits.isdigit() or len(digits) >= 20:
        return None
    number = int(digits)
    return number if number <= LARGEST_SEQ else None


def runs_above(offset: int, records: Sequence[RawRecord]) -> Iterator[list[RawRecord]]:
    """The records above `offset`, cut where offsets are missing between them.

    After a rebalance records come again that lie in the inbox already: each is taken once.
    """
    run: list[RawRecord] = []
    for record in records:
        if record.offset <= offset:
            continue
        if run and record.offset != offset + 1:
            yield run
            run = []
        run.append(record)
        offset = record.offset
    if run:
        yield run
