"""Which windows hold a time, and which panes make a window: arithmetic only.

All starts are multiples of a size (or slide) since the epoch. A *pane* is the greatest common
divisor of all sizes and slides of a model, so every window is a whole number of panes:

    panes        |----|----|----|----|----|----|
    1m           [    )[    )[    )
    3m/1m        [              )
                      [              )
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from inferwatch.settings.types import WindowSpec
from pipeline.columns import Ints


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One concrete window: `start` <= ts < `end`, milliseconds since the epoch."""

    end: int
    size: int
    text: str

    @property
    def start(self) -> int:
        """The first millisecond that belongs to it."""
        return self.end - self.size

    def holds(self, ts: int) -> bool:
        """Whether this time belongs to it."""
        return self.start <= ts < self.end


@dataclass(frozen=True)
class Grid:
    """The windows of one model, over its panes.

    >>> grid = Grid((WindowSpec("2m/1m", 120_000, 60_000),))
    >>> [(s.start, s.end) for s in grid.spans_of(60_000)]
    [(0, 120000), (60000, 180000)]

    Attributes:
        specs: the windows.
        within: panes also cut slices of this length evenly; 0 where nothing asks for it.
    """

    specs: tuple[WindowSpec, ...]
    within: int = 0

    @cached_property
    def pane(self) -> int:
        """Milliseconds of a pane."""
        sizes = (spec.size for spec in self.specs)
        return gcd(*sizes, *(spec.slide for spec in self.specs), self.within)

    @cached_property
    def smallest(self) -> WindowSpec:
        """The window that is judged most often: the shortest, the first where two are equal."""
        return min(self.specs, key=lambda spec: spec.size)

    def spans_of(self, pane_start: int, until: int | None = None) -> Iterator[Span]:
        """Every window that holds the pane (and ends up to then), window by window, by start.

        >>> grid = Grid((WindowSpec("2m/1m", 120_000, 60_000),))
        >>> [s.end for s in grid.spans_of(60_000, until=120_000)]
        [120000]
        """
        for spec in self.specs:
            start = ((pane_start - spec.size) // spec.slide + 1) * spec.slide
            last = pane_start if until is None else min(pane_start, until - spec.size)
            while start <= last:
                yield Span(start + spec.size, spec.size, spec.text)
                start += spec.slide

    def panes_of(self, span: Span) -> range:
        """The starts of the panes that make the window."""
        return range(span.start, span.end, self.pane)

    def first_end(self, ts: Ints) -> Ints:
        """Shape (n,): the end of the first window to close of those that hold each time."""
        first: Ints = np.min([self._first_end(spec, ts) for spec in self.specs], axis=0)
        return first

    def last_end(self, ts: Ints) -> Ints:
        """Shape (n,): the end of the last window to close of those that hold each time."""
        last: Ints = np.max([ts // s.slide * s.slide + s.size for s in self.specs], axis=0)
        return last

    def last_end_of(self, pane_start: int) -> int:
        """The end of the last window that holds the pane."""
        return max(pane_start // s.slide * s.slide + s.size for s in self.specs)

    @staticmethod
    def _first_end(spec: WindowSpec, ts: Ints) -> Ints:
        return ((ts - spec.size) // spec.slide + 1) * spec.slide + spec.size


def grid_of(specs: Sequence[WindowSpec], within: int = 0) -> Grid:
    """The grid of a model's windows, whose panes also cut slices of length `within` evenly.

    >>> grid_of([WindowSpec("90s", 90_000, 90_000)], within=60_000).pane
    30000
    """
    return Grid(tuple(specs), within)
