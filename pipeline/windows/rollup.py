"""Rollups: runs of panes merged once, so that a long window is made of few parts.

A window of a day over panes of a minute has 1,440 of them; over runs of 60 and of 10 panes it has
24, and one that slides by a minute has 23 runs of 60 and at most 28 shorter ones beside them:

    panes   ...|||||||||||||||||||||||||||||||||||...
    runs    |         |         |         |
    window       [................................)
    parts         |||||         1         |||||||||

Runs begin at multiples of their length since the epoch, so all windows share them. The longest of a
window, its core, stay the same for as long as it slides within one of them: their sum is kept too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass

from pipeline.windows.counting import CountingRules
from pipeline.windows.grid import Span
from pipeline.windows.pane import Pane
from pipeline.windows.run_shelf import RunKey, RunShelf

RUN_PANES = (60, 10, 1)
"""How many panes the runs are long, each a multiple of the next."""

PanesAt = Callable[[int], Iterable[Pane]]
"""The panes, of all partitions, that begin at a time."""


def rolled_up(panes: Iterable[Pane], rules: CountingRules) -> Pane:
    """One pane that holds the rows of all, apart by the time up to which windows are closed."""
    whole = Pane(rules)
    for pane in panes:
        for closed_until, counts in pane.counts.items():
            whole.at(closed_until).merge(counts)
    return whole


@dataclass(frozen=True, slots=True)
class Rollups:
    """The runs of one version and segment of a model, kept until one of their panes changes.

    Guarantee: a window has the counts of its panes merged one by one, as long as `changed` is
    told of every pane that is counted into. Cost: a merge of 40 µs a pane of 20 features for each
    run, once; 45 kB a run in memory, within the bound of the shelf.

    Attributes:
        rules: how the model's rows are counted.
        pane: milliseconds of a pane.
        shelf: where the runs are kept.
        about: tells these runs from others on the shelf.
        keeps_panes: whether single panes go there too: where they are not at hand otherwise.
    """

    rules: CountingRules
    pane: int
    shelf: RunShelf
    about: Hashable = ""
    keeps_panes: bool = True

    def unknown(self, span: Span) -> Iterator[int]:
        """The starts of the panes that have to be at hand to make up the window.

        >>> minute = 60_000
        >>> rollups = Rollups(None, minute, RunShelf(lambda: 10**6))
        >>> day = Span(end=1_440 * minute, size=1_440 * minute, text="1d")
        >>> len(list(rollups.unknown(day)))
        1440
        >>> _ = rollups.parts(day, lambda start: ())
        >>> len(list(rollups.unknown(day)))
        0
        """
        for key in self._pieces(span):
            yield from self._missing(key)

    def parts(self, span: Span, panes_at: PanesAt) -> list[Pane]:
        """The panes and the runs that make up the window; runs are worked out where not known.

        Args:
            span: the window.
            panes_at: is asked for what `unknown` tells, and for nothing else.

        Returns:
            Runs in the order of time, to be read only.
        """
        return [self._run(key, panes_at) for key in self._pieces(span)]

    def changed(self, pane_start: int) -> None:
        """A pane was counted into: its runs have to be worked out again."""
        for panes in RUN_PANES:
            size = panes * self.pane
            self.shelf.drop(self._key(panes, pane_start // size * size))
        for core in self.shelf.cores(self.about):
            if core.start <= pane_start < core.start + core.panes * self.pane:
                self.shelf.drop(core)

    def _pieces(self, span: Span) -> Iterator[RunKey]:
        """Cut the window into its core and the longest runs on both sides of it."""
        longest = RUN_PANES[0] * self.pane
        start = -(-span.start // longest) * longest
        end = span.end // longest * longest
        if start >= end:
            yield from self._cut(span.start, span.end)
            return
        yield from self._cut(span.start, start)
        yield self._key((end - start) // self.pane, start)
        yield from self._cut(end, span.end)

    def _cut(self, start: int, end: int) -> Iterator[RunKey]:
        """Cut a stretch into the longest runs that begin at multiples of their length."""
        while start < end:
            for panes in RUN_PANES:
                size = panes * self.pane
                if start % size == 0 and start + size <= end:
                    break
            yield self._key(panes, start)
            start += size

    def _missing(self, key: RunKey) -> Iterator[int]:
        if key in self.shelf:
            return
        if key.panes == 1:
            yield key.start
            return
        for part in self._parts_of(key):
            yield from self._missing(part)

    def _run(self, key: RunKey, panes_at: PanesAt) -> Pane:
        run = self.shelf.get(key)
        if run is not None:
            return run
        if key.panes > 1:
            run = rolled_up((self._run(part, panes_at) for part in self._parts_of(key)), self.rules)
        else:
            panes = list(panes_at(key.start))
            run = panes[0] if len(panes) == 1 else rolled_up(panes, self.rules)
        if key.panes > 1 or self.keeps_panes:
            is_core = key.panes not in RUN_PANES
            self.shelf.put(key, run, is_core=is_core)
            # The next core is made of almost the same runs; others are held by the longer run.
            for part in () if is_core or key.panes == 1 else self._parts_of(key):
                self.shelf.spare(part)
        return run

    def _parts_of(self, key: RunKey) -> Iterator[RunKey]:
        """The runs that a longer one is made of."""
        panes = next(shorter for shorter in RUN_PANES if shorter < key.panes)
        size = panes * self.pane
        for start in range(key.start, key.start + key.panes * self.pane, size):
            yield self._key(panes, start)

    def _key(self, panes: int, start: int) -> RunKey:
        return RunKey(self.about, panes, start)
