"""Every series that is known, by its head.

Bounded: at `MAX_SERIES` the series that has been silent longest makes room, and a series that has
been silent for `history` is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consumers.dashboard.head import Head
from consumers.dashboard.measures import measures
from consumers.dashboard.row import Stamp, encode_row
from consumers.dashboard.series import SeriesId
from inferwatch.events.window import WindowResult

MAX_SERIES = 20_000


@dataclass(frozen=True, slots=True)
class FoldedWindow:
    """What folding one result changed: the head, and the row to keep."""

    head: Head
    result: WindowResult
    row: bytes


class Catalogue:
    """Heads by series."""

    def __init__(self, heads: Iterable[Head] = (), *, limit: int = MAX_SERIES) -> None:
        """Begin with the heads that were stored."""
        self._heads = {head.series: head for head in heads}
        self._limit = limit

    def fold(self, result: WindowResult, generation: int, now: int) -> FoldedWindow | None:
        """Take a result in; None when this one, or one that replaces it, is in already.

        Of results older than the head's trail the store decides, row by row.
        """
        series = SeriesId.of(result)
        head = self._heads.get(series) or Head(series)
        stamp = Stamp(generation, result.revision)
        if head.knows(result.start, stamp):
            return None
        values = measures(result)
        head = head.taking(result, values, stamp, now)
        self._heads[series] = head
        return FoldedWindow(head, result, encode_row(stamp, head.schema, values))

    def forget(self, before: int) -> list[SeriesId]:
        """Drop series that are silent since `before`, and the longest silent above the limit."""
        by_age = sorted(self._heads.values(), key=lambda h: h.seen_at)
        excess = len(by_age) - self._limit
        gone = [h.series for i, h in enumerate(by_age) if i < excess or h.seen_at < before]
        for series in gone:
            del self._heads[series]
        return gone

    def get(self, series: SeriesId) -> Head | None:
        """The head of one series."""
        return self._heads.get(series)

    def __len__(self) -> int:
        """How many series there are."""
        return len(self._heads)

    def heads(self) -> list[Head]:
        """All heads, in order of model, version, segment (the whole model first) and window."""
        return sorted(self._heads.values(), key=_order)

    def current(self) -> list[Head]:
        """One head a model and version: the whole model in its shortest window."""
        best: dict[tuple[str, str], Head] = {}
        for head in self.heads():
            key = (head.series.model, head.series.version)
            if head.series.segment is None and key not in best:
                best[key] = head
        return list(best.values())


def _order(head: Head) -> tuple[str, str, str, int, str]:
    s = head.series
    return (s.model, s.version, s.segment or "", s.size_ms, s.window)
