"""The calm past of one model, kept small: what diagnosis compares a bad window with.

Bounds: the levels of 12 windows of a whole version, of 2 of a segment; where there is no reference
to compare with, 4 whole windows too. They are thinned as they age, so that the oldest reaches far
back while the newest are close together. Of 32 versions, and of 1,000 segments of them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from inferwatch.events.json_codec import window_from_json, window_to_json
from inferwatch.events.window import WindowResult
from pipeline.diagnosis.view import Levels, Neighbour
from pipeline.rules.detector import Part
from pipeline.rules.levels import levels_of

WHOLE = 12
SEGMENT = 2
RECENT = 12
KEPT_WINDOWS = 4
MAX_VERSIONS = 32
MAX_SEGMENTS = 1_000
"""Of all versions together, as many as `limits.segments` has by default: a packed snapshot of some
150 kB with eight features, 5 to 15 ms to pack it."""
SILENT_WINDOWS = 30
"""A segment without a window for so long gives its place to another one. Not earlier: where more
segments take turns than there is room for, those that are known keep their past."""


@dataclass(slots=True)
class Shelf:
    """Calm windows of one version, segment and part: (end, levels), the oldest first.

    Attributes:
        recent: of a whole version the last windows, good or bad, for the versions beside it.
    """

    calm: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    latest: tuple[int, dict[str, float]] | None = None
    recent: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def since(self, after: int) -> dict[str, float]:
        """Medians over the last windows that ended later; the last one's where none did."""
        known = [levels for end, levels in self.recent if end > after]
        return _medians(known) if known else dict(self.latest[1] if self.latest else {})

    def usual(self, until: int) -> dict[str, float]:
        """Medians over the calm windows that ended by then."""
        return _medians([levels for end, levels in self.calm if end <= until])

    def early(self, until: int) -> dict[str, float]:
        """Medians over the oldest third of them."""
        known = [levels for end, levels in self.calm if end <= until]
        return _medians(known[: max(1, len(known) // 3)])


@dataclass(slots=True)
class History:
    """Everything kept of one model.

    Attributes:
        shelves: by (version, segment, part).
        windows: calm windows by version, (end, JSON): the `before` of a diagnosis without a
            reference. They are parsed only then, which is seldom.
        first_seen: by version, the end of its first window.
        ends: by (version, segment), the end of its last window; the longest silent first.
    """

    shelves: dict[tuple[str, str | None, str], Shelf] = field(default_factory=dict)
    windows: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    first_seen: dict[str, int] = field(default_factory=dict)
    ends: dict[tuple[str, str], int] = field(default_factory=dict)

    def remember(self, result: WindowResult, part: Part, *, calm: bool) -> None:
        """Take a window of the model's smallest size, after it was judged."""
        if part == "final" and result.rows:
            self.first_seen.setdefault(result.version, result.end)
        key = (result.version, result.segment, part)
        if result.segment is not None and not self._has_room(result, result.segment):
            return
        # Behind all others: a snapshot keeps their order, and so who is silent for longest.
        shelf = self.shelves.pop(key) if key in self.shelves else Shelf()
        self.shelves[key] = shelf
        levels = levels_of(result, part)
        shelf.latest = (result.end, levels)
        if result.segment is None and len(self.first_seen) > 1:
            shelf.recent = [*shelf.recent, shelf.latest][-RECENT:]
        if not calm or not levels:
            return
        limit = WHOLE if result.segment is None else SEGMENT
        shelf.calm.append((result.end, levels))
        _thin(shelf.calm, [end for end, _ in shelf.calm], limit)
        if result.segment is None and part == "final" and result.rows and not result.reference:
            kept = self.windows.setdefault(result.version, [])
            kept.append((result.end, window_to_json(replace(result, quality=None))))
            _thin(kept, [end for end, _ in kept], KEPT_WINDOWS)
        self._bound()

    def _has_room(self, result: WindowResult, segment: str) -> bool:
        """Whether the segment is known, or may be from now on."""
        thing = result.version, segment
        while thing not in self.ends and len(self.ends) >= MAX_SEGMENTS:
            silent, end = next(iter(self.ends.items()))
            if end >= result.end - SILENT_WINDOWS * (result.end - result.start):
                return False
            del self.ends[silent]
            for part in ("final", "quality"):
                self.shelves.pop((*silent, part), None)
        self.ends[thing] = max(self.ends.pop(thing, result.end), result.end)
        return True

    def before(self, version: str, until: int) -> WindowResult | None:
        """The last calm window of the whole version that ended by then."""
        for end, stored in reversed(self.windows.get(version, [])):
            if end <= until:
                return window_from_json(stored)
        return None

    def usual(self, version: str, segment: str | None, until: int) -> Levels:
        """The usual levels, of both parts, before that time."""
        return self._both(version, segment, lambda shelf: shelf.usual(until))

    def early(self, version: str, segment: str | None, until: int) -> Levels:
        """The levels of long ago."""
        return self._both(version, segment, lambda shelf: shelf.early(until))

    def segments(self, version: str, part: Part, until: int, oldest: int) -> dict[str, Neighbour]:
        """The segments of a version, before `until` and in their last window since `oldest`."""
        found = {}
        for (of, segment, shelf_part), shelf in sorted(self.shelves.items(), key=_by_text):
            here = of == version and segment is not None and shelf_part == part
            if here and shelf.latest is not None and shelf.latest[0] > oldest:
                assert segment is not None
                found[segment] = Neighbour(shelf.usual(until), shelf.latest[1])
        return found

    def versions(self, version: str, until: int, oldest: int) -> dict[str, Neighbour]:
        """The other versions that had a window since `oldest`."""
        found = {}
        for other in sorted(self.first_seen):
            shelf = self.shelves.get((other, None, "final"))
            if other == version or shelf is None or shelf.latest is None:
                continue
            if shelf.latest[0] >= oldest:
                judged = self.shelves.get((other, None, "quality"), Shelf())
                now = {**judged.since(until), **shelf.since(until)}
                found[other] = Neighbour(self.usual(other, None, until), now)
        return found

    def _both(self, version: str, segment: str | None, levels: Any) -> Levels:
        merged: dict[str, float] = {}
        for part in ("final", "quality"):
            shelf = self.shelves.get((version, segment, part))
            if shelf is not None:
                merged.update(levels(shelf))
        return merged

    def _bound(self) -> None:
        while len(self.first_seen) > MAX_VERSIONS:
            # The version that was silent for longest goes.
            gone = min(self.first_seen, key=lambda v: (self._last_end(v), v))
            del self.first_seen[gone]
            self.windows.pop(gone, None)
            self.shelves = {k: s for k, s in self.shelves.items() if k[0] != gone}
            self.ends = {k: end for k, end in self.ends.items() if k[0] != gone}

    def _last_end(self, version: str) -> int:
        shelf = self.shelves.get((version, None, "final"))
        return 0 if shelf is None or shelf.latest is None else shelf.latest[0]

    def as_plain(self) -> dict[str, Any]:
        """For a snapshot."""
        return {
            "shelves": [
                [
                    *key,
                    [list(c) for c in shelf.calm],
                    shelf.latest and list(shelf.latest),
                    [list(r) for r in shelf.recent],
                ]
                for key, shelf in self.shelves.items()
            ],
            "windows": {v: [list(w) for w in kept] for v, kept in self.windows.items()},
            "first_seen": dict(self.first_seen),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> History:
        """What `as_plain` wrote."""
        history = cls(first_seen=dict(plain["first_seen"]))
        for version, segment, part, calm, latest, *recent in plain["shelves"]:
            history.shelves[version, segment, part] = Shelf(
                [(end, dict(levels)) for end, levels in calm],
                None if latest is None else (latest[0], dict(latest[1])),
                [(end, dict(levels)) for end, levels in (recent[0] if recent else ())],
            )
            if segment is not None and latest is not None:
                known = history.ends.pop((version, segment), latest[0])
                history.ends[version, segment] = max(known, latest[0])
        for version, windows in plain["windows"].items():
            history.windows[version] = [(end, stored) for end, stored in windows]
        return history


def _by_text(item: tuple[tuple[str, str | None, str], Shelf]) -> tuple[str, str, str]:
    (version, segment, part), _ = item
    return version, segment or "", part


def _medians(levels: list[dict[str, float]]) -> dict[str, float]:
    paths = {path for one in levels for path in one}
    return {path: median(one[path] for one in levels if path in one) for path in sorted(paths)}


def _thin(kept: list[Any], ends: list[int], limit: int) -> None:
    """Drop the entry that is missed least: its neighbours are close, seen from now."""
    if len(kept) <= limit:
        return
    newest = ends[-1]
    least = min(
        range(1, len(ends) - 1),
        key=lambda i: ((ends[i + 1] - ends[i - 1]) / (newest - ends[i] + 1), i),
    )
    del kept[least]
