"""Where window results go: a file of JSON lines, by the end of the window."""

from __future__ import annotations

from typing import BinaryIO

from inferwatch.events.json_codec import window_to_json
from inferwatch.events.window import WindowResult

Place = tuple[int, str, int, str, str, str]
"""Of a window in the file: end, model, size, window, version, segment (the whole comes first)."""


class WindowsOut:
    """Writes each window once, at its highest revision, or every revision.

    A window is held until nothing can revise it, so the file is in order however late rows were.

    Attributes:
        windows: how many windows there were.
    """

    def __init__(self, file: BinaryIO | None, *, revisions: bool = False) -> None:
        """Write to this file, or to none."""
        self.windows = 0
        self._file = file
        self._revisions = revisions
        self._held: dict[Place, list[bytes]] = {}

    def put(self, result: WindowResult) -> None:
        """Take a result; a later one of the same window revises it."""
        place = (
            result.end,
            result.model,
            result.end - result.start,
            result.window,
            result.version,
            result.segment or "",
        )
        held = self._held.setdefault(place, [])
        if not self._revisions:
            held.clear()
        if self._file is not None:
            held.append(window_to_json(result))

    def write(self, before: int) -> None:
        """Write what ended before this time: nothing revises it any more."""
        for place in sorted(place for place in self._held if place[0] < before):
            self.windows += 1
            for line in self._held.pop(place):
                assert self._file is not None
                self._file.write(line + b"\n")
