"""The windows whose quality is still to be judged, in their order.

Where labels are late or never come a window waits for the whole label horizon: with windows of a
minute and six hours, 360 results of a track, 40 kB each. Only the first of a track is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import compress, decompress

from inferwatch.events.json_codec import window_from_json, window_to_json
from inferwatch.events.window import WindowResult
from pipeline.windows.result import WindowKey

Track = tuple[str, str, str]
"""Window, version and segment: the windows that follow one another in time."""

HELD = 4


class Unjudged:
    """Windows that wait, by track, each with its result where that is known.

    Guarantee: a result comes back as it was put in. Cost: 4 kB a window beyond the first ones of
    its track, and 0.1 ms to pack it, 0.3 to unpack it.
    """

    def __init__(self, held: int = HELD) -> None:
        """Hold the results of so many windows a track as they are, those of the others packed."""
        self._held = held
        self._tracks: dict[Track, dict[WindowKey, WindowResult | bytes | None]] = {}

    def __bool__(self) -> bool:
        """Whether any window waits."""
        return bool(self._tracks)

    def __contains__(self, key: WindowKey) -> bool:
        """Whether this window waits."""
        return key in self._tracks.get(key.track, ())

    def __iter__(self) -> Iterator[WindowKey]:
        """All windows that wait, those of a track in their order."""
        return (key for windows in self._tracks.values() for key in windows)

    def put(self, key: WindowKey, result: WindowResult | None) -> None:
        """Let a window wait, behind the others of its track; one that waits keeps its place.

        Args:
            key: which window.
            result: as it is known now; None: a restart forgot it.
        """
        windows = self._tracks.setdefault(key.track, {})
        is_far_back = key not in windows and len(windows) >= self._held
        packed = result is not None and (is_far_back or isinstance(windows.get(key), bytes))
        windows[key] = compress(window_to_json(result), 1) if packed and result else result

    def first(self) -> list[WindowKey]:
        """The first window of each track."""
        return [next(iter(windows)) for windows in self._tracks.values()]

    def result(self, key: WindowKey) -> WindowResult | None:
        """The result of a window that waits, None where it is not known."""
        windows = self._tracks[key.track]
        known = windows[key]
        if isinstance(known, bytes):
            # It is asked for again and again from now on.
            known = windows[key] = window_from_json(decompress(known))
        return known

    def is_known(self, key: WindowKey) -> bool:
        """Whether the result of a window that waits is known."""
        return self._tracks[key.track][key] is not None

    def take(self, key: WindowKey) -> WindowKey | None:
        """Take a window out; the one that is the first of its track now."""
        windows = self._tracks[key.track]
        del windows[key]
        if windows:
            return next(iter(windows))
        del self._tracks[key.track]
        return None
