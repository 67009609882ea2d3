"""Retry: when a message that a receiver did not take is tried again, and when it is given up."""

from __future__ import annotations

import hashlib

FIRST_MS = 1_000
LONGEST_MS = 300_000
GIVE_UP_MS = 86_400_000
# How soon a lane without a group interval looks again at what is held back, and one that waits for
# its next try at what has to be told to a fallback.
LOOK_AGAIN_MS = 30_000


def next_try(message: str, attempts: int, now: int, retry_after_ms: int | None) -> int:
    """When to try again after so many attempts (ms since the epoch).

    The wait doubles from 1 s to 5 min, less up to a quarter, so that what failed together does not
    come back together. A receiver's own `Retry-After` counts when it is longer, up to the hour.

    >>> [next_try("msg_1", n, 0, None) for n in (1, 2, 3)]
    [757, 1828, 3879]
    >>> next_try("msg_1", 1, 0, 30_000)
    30000
    """
    wait = min(FIRST_MS << min(attempts - 1, 16), LONGEST_MS)
    # Spread by a hash, not by chance: a restarted notifier comes to the same time.
    spread = hashlib.sha256(f"{message}/{attempts}".encode()).digest()[0] / 255
    wait -= int(wait * spread / 4)
    return now + max(wait, min(retry_after_ms or 0, 3_600_000))


def given_up(made_at: int, now: int) -> bool:
    """Whether a message is too old to be tried again: a day."""
    return now - made_at >= GIVE_UP_MS
