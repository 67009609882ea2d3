"""Who an alert is: ids that every worker, restart and replay makes alike."""

from __future__ import annotations

from hashlib import sha256


def fingerprint(rule: str, model: str, version: str, segment: str | None, metric: str) -> str:
    """16 hex digits of what is watched: the same for every incident of it.

    >>> fingerprint("low", "fraud", "7", None, "quality.accuracy")
    '9c51f178bb7f676f'
    """
    # Each part with its length, so that ("ab", "c") and ("a", "bc") are two; no segment and the
    # segment "" are two as well.
    parts = (rule, model, version, "-" if segment is None else f"={segment}", metric)
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return sha256(text.encode()).hexdigest()[:16]


def incident_id(fingerprint: str, starts_at: int) -> str:
    """The id of the incident that began then: two incidents of one fingerprint never overlap.

    >>> incident_id("0123456789abcdef", 1764000000000)
    '78536864abef434c8547'
    """
    return sha256(f"{fingerprint}/{starts_at}".encode()).hexdigest()[:20]
