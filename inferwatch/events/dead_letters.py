"""What is kept of a rejected event, as `deadletter.keep` says."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Literal, Protocol

from inferwatch.errors import RejectedEventError
from inferwatch.events.deadletter import MAX_KEPT_BYTES, DeadLetter

Keep = Literal["full", "hash", "none"]


class LogRecord(Protocol):
    """What is told of a record: where it lies in the log, and its bytes."""

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


class DeadLetters:
    """Makes dead letters.

    Args:
        keep: `full`: the first 64 KiB of the bytes, and the SHA-256 of all; `hash`: the SHA-256
            alone; `none`: neither. The length is always told.
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
        kept = base64.b64encode(rejected[:MAX_KEPT_BYTES]).decode() if full else None
        digest = None if self._keep == "none" else hashlib.sha256(rejected).hexdigest()
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
        )
