"""What `monitoring.windows` already says: the truth for revisions.

Redis may lose a counter (a flush) or repeat it (a failover), and a reader would then drop the
right result. So the topic decides: a new result is published one above the highest revision that
stands there, and not at all when only the revision would change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from inferwatch.events.json_codec import window_to_dict
from inferwatch.events.window import WindowResult
from pipeline.windows.grid import Span
from pipeline.windows.result import WindowKey
from pipeline.windows.watermark import NEVER


@dataclass(frozen=True, slots=True)
class PublishedWindow:
    """The latest result of a window.

    Attributes:
        rows_at_first: its rows when it was first published; what came since is late.
        digest: of all its fields but the revision.
        at: wall clock of its publication, milliseconds.
    """

    revision: int
    rows_at_first: int
    digest: bytes
    at: int


class Published:
    """The published windows of one model."""

    def __init__(self) -> None:
        """Nothing is known yet: `learn` from the topic first."""
        self._windows: dict[WindowKey, PublishedWindow] = {}
        self.forgotten_before = NEVER

    def learn(self, result: WindowResult, at: int) -> WindowKey:
        """Take in a result that stands in the topic, or was just published; which window it is."""
        key = WindowKey(
            Span(result.end, result.end - result.start, result.window),
            result.version,
            result.segment or "",
        )
        known = self._windows.get(key)
        if known is None or result.revision >= known.revision:
            self._windows[key] = PublishedWindow(
                result.revision, result.rows - result.late, digest(result), at
            )
        return key

    def get(self, key: WindowKey) -> PublishedWindow | None:
        """The latest result of a window, None before its first."""
        return self._windows.get(key)

    def __iter__(self) -> Iterator[WindowKey]:
        """The windows that have a result."""
        return iter(self._windows)

    def revise(self, key: WindowKey, result: WindowResult) -> WindowResult | None:
        """The result with its revision and its late rows; None where it says nothing new."""
        known = self._windows.get(key)
        if known is None:
            return result
        late = max(0, result.rows - known.rows_at_first)
        revised = replace(result, late=late, revision=known.revision + 1)
        return None if digest(revised) == known.digest else revised

    def forget(self, before: int) -> None:
        """Drop windows that ended before this event time: it is unlikely that they change.

        Should one change nevertheless, the topic must be read again.
        """
        self.forgotten_before = max(self.forgotten_before, before)
        for key in [key for key in self._windows if key.span.end < before]:
            del self._windows[key]


def digest(result: WindowResult) -> bytes:
    """16 bytes of all that a result says, its revision excepted.

    Floats count to ten digits: sums that were added up in another order (a rebuild reads the log
    in other stretches) say nothing new.
    """
    plain = window_to_dict(replace(result, revision=0))
    return hashlib.blake2b(orjson.dumps(_rounded(plain)), digest_size=16).digest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.9e}"
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
