"""A dead letter: what was rejected, why, and where it stood."""

from __future__ import annotations

from collections.abc import Sequence
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
MAX_KEPT_HEADERS = 16 * 1024
"""Bytes of key and headers together; beyond them neither is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One rejected record, or one rejected row of a batch.

    Attributes:
        row: the row inside a columnar batch, None for a whole record.
        where: the path inside the event that was wrong.
        data: the rejected bytes in base64, at most 64 KiB of them; None unless kept.
        length, sha256: of all the rejected bytes.
        key: the record's key in base64.
        headers: name and value (in base64) of each of the record's headers; None where key and
            headers were not kept.
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
    key: str | None = None
    headers: Sequence[tuple[str, str | None]] | None = None
