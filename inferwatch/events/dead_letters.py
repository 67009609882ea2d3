"""What is kept of a rejected event, as `deadletter.keep` says."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from inferwatch.errors import RejectedEventError
from inferwatch.events.deadletter import MAX_KEPT_BYTES, MAX_KEPT_HEADERS, DeadLetter

Keep = Literal["full", "hash", "none"]


class LogRecord(Protocol):
    """What is told of a record: where it lies in the log, its bytes, its key and headers."""

    @property
    def topic(self) -> str:
        """The topic's full name."""

    @property
    def partition(self) -> int:
        """The partition of the topic."""

    @property
    def offset(self) -> int:
        """The place in the partition."""

    @property
    def value(self) -> bytes | None:
        """The bytes; None for a tombstone."""

    @property
    def key(self) -> bytes | None:
        """What chose the partition; None for a record without."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]] | None:
        """In their order; None where neither key nor headers are known."""


class DeadLetters:
    """Makes dead letters.

    Args:
        keep: `full`: the first 64 KiB of the bytes, the SHA-256 of all, and up to 16 KiB of key and
            headers; `hash`: the SHA-256 alone; `none`: nothing. The length is always told.
        clock: milliseconds since the epoch.
    """

    def __init__(self, keep: Keep, clock: Callable[[], int]) -> None:
        """Remember both."""
        self._keep = keep
        self._clock = clock

    def letter(
        self,
        record: LogRecord,
        error: RejectedEventError,
        *,
        row: int | None = None,
        data: bytes | None = None,
    ) -> DeadLetter:
        """The dead letter of a record, or of one row of it.

        Args:
            record: where it stood.
            error: why it was rejected.
            row: the row of a columnar batch.
            data: that row as JSON; the record's value when None.
        """
        rejected = data if data is not None else record.value or b""
        full = self._keep == "full"
        kept = _base64(rejected[:MAX_KEPT_BYTES]) if full else None
        digest = None if self._keep == "none" else hashlib.sha256(rejected).hexdigest()
        headers = _headers(record) if full else None
        key = None if headers is None or record.key is None else _base64(record.key)
        return DeadLetter(
            reason=error.reason,
            detail=error.detail,
            where=error.where,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            row=row,
            at=self._clock(),
            length=len(rejected),
            sha256=digest,
            data=kept,
            key=key,
            headers=headers,
        )


def _headers(record: LogRecord) -> list[tuple[str, str | None]] | None:
    if record.headers is None:
        return None
    size = len(record.key or b"")
    size += sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
    if size > MAX_KEPT_HEADERS:
        return None
    return [(name, None if value is None else _base64(value)) for name, value in record.headers]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
