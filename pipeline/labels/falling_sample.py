"""The sample that falls by itself: fewer predictions are kept for labels when memory runs out.

The share of ids that a model keeps is `labels.sample`, halved some times. It falls while it is
projected that what is kept would outgrow `labels.memory`, and rises again when there is room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_HALVINGS = 20
"""Past this nothing worth a measurement would be left."""

ACT_FROM = 2
"""From the bound divided by this on a sample may fall: before it a projection is a guess."""

EVIDENCE = 32
"""So much of the bound must be written before the next fall: a fall is seen before another."""

FALL_MOST = 2
"""Halvings at once: a burst that ends does not cost what a steady stream would."""


@dataclass(frozen=True, slots=True)
class SampleInForce:
    """How much of a model is kept for its labels, and since when.

    Attributes:
        halvings: of `labels.sample`.
        since: event time at which the present stretch of measuring began, milliseconds.
        base: bytes kept by then, of the buckets that reach past it.
    """

    halvings: int
    since: int
    base: int

    def share(self, sample: float) -> float:
        """The share of the ids that is kept, where the config says `sample`."""
        return shared(sample, self.halvings)

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [self.halvings, self.since, self.base]


def shared(sample: float, halvings: int) -> float:
    """A sample, halved so often.

    >>> shared(0.5, 2)
    0.125
    """
    return sample / 2.0**halvings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What may be kept, and how long a row stays.

    Attributes:
        bytes: `labels.memory`.
        keeps_for: event time from a row to its going, milliseconds.
        width: event time of one bucket, which goes as a whole.
    """

    bytes: int
    keeps_for: int
    width: int


def next_sample(
    now: SampleInForce | None, taken: Mapping[int, int], time: int, bound: Bound
) -> SampleInForce:
    """What is in force from here on; `now` itself where nothing changes.

    A stretch of measuring ends when the sample changes, and after the time of one bucket. What
    was written in it, by its event time, is the rate that the projection goes by.

    Args:
        now: what is in force; None for a model that is measured first.
        taken: bytes kept of the model, by the event time at which their buckets begin.
        time: the model's event time, milliseconds.
        bound: what may be kept.

    >>> bound = Bound(bytes=3_200, keeps_for=10_000, width=1_000)
    >>> start = next_sample(None, {0: 0}, 0, bound)
    >>> next_sample(start, {0: 1_000}, 500, bound) is start
    True
    >>> next_sample(start, {0: 1_600}, 900, bound).halvings
    2
    """
    held = sum(taken.values())
    if now is None:
        return _stretch(0, taken, time, bound)
    span = time - now.since
    if span < 0:
        # A partition that lags behind the others: those ahead decide.
        return now
    written = _reaching(taken, now.since, bound) - now.base
    rate = written / max(1, span)
    if held >= bound.bytes / ACT_FROM and written >= bound.bytes / EVIDENCE:
        more = _halvings_more(held, rate, time - min(taken), bound)
        if more and now.halvings < MOST_HALVINGS:
            return _stretch(min(now.halvings + more, MOST_HALVINGS), taken, time, bound)
    if span >= bound.width:
        if held > bound.bytes and written:
            # Rows outlive `keeps_for`: no time of labels tells that they may go.
            return _stretch(min(now.halvings + 1, MOST_HALVINGS), taken, time, bound)
        room = bound.bytes / ACT_FROM
        is_room = held <= room and 2 * rate * bound.keeps_for <= room
        return _stretch(now.halvings - (is_room and now.halvings > 0), taken, time, bound)
    return now


def _halvings_more(held: int, rate: float, age: int, bound: Bound) -> int:
    """How much further the sample falls, for what is projected to fit: twice at most.

    What is held already says more than a projection: above the bound it falls once at least.
    """
    room = max(0, bound.bytes - held)
    # Until the oldest rows go, all that comes is added to what is there.
    filling = rate * max(0, bound.keeps_for - age)
    steady = rate * bound.keeps_for
    for more in range(1 if held > bound.bytes else 0, FALL_MOST):
        if filling <= room * 2**more and steady <= bound.bytes * 2**more:
            return more
    return FALL_MOST


def _stretch(halvings: int, taken: Mapping[int, int], time: int, bound: Bound) -> SampleInForce:
    return SampleInForce(halvings, time, _reaching(taken, time, bound))


def _reaching(taken: Mapping[int, int], time: int, bound: Bound) -> int:
    """Bytes of the buckets that reach past a time: rows that come later go there."""
    return sum(size for start, size in taken.items() if start + bound.width > time)
