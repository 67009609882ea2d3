"""A dead letter: what was rejected, why, and where it stood."""

from __future__ import annotations

from dataclasses import dataclass

REASONS = (
    "malformed",
    "oversized",
    "content_type",
    "no_model",
    "no_ts",
    "no_prediction",
    "future",
)

MAX_KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One rejected record, or one rejected row of a batch.

    Attributes:
        row: the row inside a columnar batch, None for a whole record.
        where: the path inside the event that was wrong.
        data: the rejected bytes in base64, at most 64 KiB of them; None unless kept.
        length, sha256: of all the rejected bytes.
    """

    reason: str
    detail: str
    where: str
    topic: str
    partition: int
    offset: int
    row: int | None
    at: int
    length: int
    sha256: str | None
    data: str | None
