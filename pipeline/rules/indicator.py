"""Good and bad of an objective over time: additive counts that fade as they age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from inferwatch.events.window import ClassificationBlock, WindowResult
from inferwatch.settings.rules import SloSettings
from inferwatch.settings.types import format_duration

EXACT = 128
"""The newest windows are kept one by one; older ones in slots of 2, 4, 8 … windows."""
SLOTS_AN_OCTAVE = 32
"""A slot is at most a 32nd as long as it is old."""

Counts = tuple[int, int]
"""Bad ones, and all."""


def counts_of(result: WindowResult, slo: SloSettings) -> Counts | None:
    """Bad ones and all of a window; None where it has none to count."""
    if slo.metric == "quality.accuracy":
        quality = result.quality
        if not isinstance(quality, ClassificationBlock) or not quality.labelled:
            return None
        right = sum(row.get(actual, 0) for actual, row in quality.confusion.items())
        return quality.labelled - right, quality.labelled
    latency = result.latency
    if latency is None or not latency.count:
        return None
    if slo.over is None:
        return latency.errors, latency.count
    slow = (latency.slow or {}).get(format_duration(slo.over))
    return None if slow is None else (slow, latency.count)


@dataclass(slots=True)
class IndicatorCounts:
    """Bad ones and all, by window, over as long a time as is asked for.

    Guarantee: sums are exact over the newest 128 windows; over a longer span the slot at its far
    end, at most a 32nd of the span, is taken in part. Cost: 400 slots, or 3 kB in a snapshot, for
    30 days of minutes; 50 µs a window.

    Attributes:
        size: of the windows, milliseconds; they do not overlap.
        first: number (end / size) of the first window.
        slots: [number of its last window, bad, all], in window order.
        revised: what windows that were counted are known to hold now, by number.
    """

    size: int
    first: int | None = None
    slots: list[list[int]] = field(default_factory=list)
    revised: dict[int, Counts] = field(default_factory=dict)

    def add(self, end: int, counts: Counts, keep_ms: int) -> None:
        """Count the next window; what is older than `keep_ms` goes.

        >>> counts = IndicatorCounts(60_000)
        >>> for minute in range(1, 4):
        ...     counts.add(minute * 60_000, (minute, 100), keep_ms=3_600_000)
        >>> counts.over(180_000, 120_000), counts.seen(180_000, 3_600_000)
        ((5, 200), 180000)
        """
        number = end // self.size
        self.first = number if self.first is None else self.first
        self.slots.append([number, *counts])
        if len(self.slots) % SLOTS_AN_OCTAVE == 0:
            faded = list(self._faded(number))
            gone = sum(slot[0] <= number - keep_ms // self.size for slot in faded)
            # The last of what is gone stays: it is where the first slot that counts begins.
            self.slots = faded[max(0, gone - 1) :]
            self.revised = {n: c for n, c in self.revised.items() if n > number - EXACT}

    def revise(self, end: int, counts: Counts) -> None:
        """A window that was counted holds this now: `over` says so where it is asked to."""
        number = end // self.size
        if self._exact(number) is not None:
            self.revised[number] = counts

    def over(self, end: int, span: int, *, as_revised: bool = False) -> Counts:
        """Sums over the windows that ended in `span` before `end`, as they were counted then."""
        last, oldest = end // self.size, (end - span) / self.size
        bad = total = 0
        for at in range(len(self.slots) - 1, -1, -1):
            number, its_bad, its_total = self.slots[at]
            if number <= oldest:
                break
            if number > last:
                continue
            before = self.slots[at - 1][0] if at or self.first is None else self.first - 1
            if before < oldest:  # a slot of several windows that reaches further back than the span
                part = (number - oldest) / (number - before)
                its_bad, its_total = round(part * its_bad), round(part * its_total)
            bad, total = bad + its_bad, total + its_total
        if as_revised:
            for number, now in self.revised.items():
                counted = self._exact(number)
                if counted is not None and oldest < number <= last:
                    bad, total = bad + now[0] - counted[0], total + now[1] - counted[1]
        return bad, total

    def seen(self, end: int, span: int) -> int:
        """Milliseconds of the span that lie behind the first window's start."""
        return 0 if self.first is None else min(span, end - (self.first - 1) * self.size)

    def began(self, end: int, span: int, allowed: float) -> int:
        """When the bad time began: from where on most bad ones exceed the share that is allowed.

        The likeliest place of a change, of those within the span before `end`.

        >>> counts = IndicatorCounts(60_000)
        >>> for minute, bad in enumerate((0, 1, 9, 2, 9, 9), 1):
        ...     counts.add(minute * 60_000, (bad, 100), keep_ms=3_600_000)
        >>> counts.began(360_000, 3_600_000, allowed=0.03) // 60_000
        2
        """
        last, oldest = end // self.size, (end - span) / self.size
        excess, most, began = 0.0, 0.0, end - self.size
        for at in range(len(self.slots) - 1, -1, -1):
            number, bad, total = self.slots[at]
            if number <= oldest:
                break
            excess += (bad - allowed * total) if number <= last else 0.0
            if excess > most:
                before = self.slots[at - 1][0] if at else number - 1
                most, began = excess, min(end - self.size, before * self.size)
        return began

    def knows(self, end: int) -> bool:
        """Whether the window that ended then is still counted by itself."""
        return self._exact(end // self.size) is not None

    def _exact(self, number: int) -> Counts | None:
        if not self.slots or number <= self.slots[-1][0] - EXACT:
            return None
        return next(((bad, all_) for n, bad, all_ in reversed(self.slots) if n == number), None)

    def _faded(self, newest: int) -> Iterator[list[int]]:
        """The slots, those joined that may be by now.

        Slots join along fixed borders (multiples of their length), so that it does not matter how
        often windows come.
        """
        joined: list[int] | None = None
        place: tuple[int, int] | None = None
        for number, bad, total in self.slots:
            age = newest - number
            level = 0 if age < EXACT else (age // SLOTS_AN_OCTAVE).bit_length() - 1
            here = (level, number >> level)
            if joined is not None and here == place:
                joined = [number, joined[1] + bad, joined[2] + total]
                continue
            if joined is not None:
                yield joined
            joined, place = [number, bad, total], here
        if joined is not None:
            yield joined

    def as_plain(self) -> list[Any]:
        """For a snapshot: the numbers as steps from one to the next, which are small."""
        steps, before = [], 0
        for number, bad, total in self.slots:
            steps += [number - before, bad, total]
            before = number
        return [self.size, self.first, steps, [[n, *c] for n, c in self.revised.items()]]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> IndicatorCounts:
        """What `as_plain` wrote."""
        size, first, steps, revised = plain
        slots, number = [], 0
        for step, bad, total in zip(*[iter(steps)] * 3, strict=True):
            number += step
            slots.append([number, bad, total])
        return cls(size, first, slots, {n: (bad, all_) for n, bad, all_ in revised})
