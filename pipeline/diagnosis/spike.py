"""One value that takes over a column: what `default_value` and `stuck_value` both look for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose

from inferwatch.events.reference import NumericReference
from inferwatch.events.window import CategoricalBlock, NumericBlock
from pipeline.diagnosis.columns import MIN_ROWS, Pair, is_news, pairs, shares_of
from pipeline.diagnosis.shape import quantiles_of, shape_of
from pipeline.diagnosis.view import View
from pipeline.diagnosis.wording import number

STUCK = 0.99
RISE = 0.2
"""A category's share must rise by so much."""
DEFAULTS = frozenset(
    {"", "0", "-1", "none", "null", "nan", "na", "n/a", "unknown", "default", "other", "missing"}
)
NUMERIC_DEFAULTS = frozenset({0.0, -1.0, 1.0, 99.0, 999.0, 9999.0, -99.0, -999.0, -9999.0})


@dataclass(frozen=True, slots=True)
class Spike:
    """A value that holds far more of a column than it did.

    Attributes:
        share: of the values; of a numeric column the least that its quantiles prove.
        is_default: it is a value that programs fill in.
    """

    pair: Pair
    value: str
    share: float
    share_before: float | None
    is_default: bool

    @property
    def is_stuck(self) -> bool:
        """The column says nothing else any more."""
        return self.share >= STUCK


def spikes(view: View) -> list[Spike]:
    """All of them, the largest first."""
    found = [
        s
        for pair in pairs(view)
        if pair.now.count >= MIN_ROWS and is_news(view, pair.name, pair.now)
        for s in _of(pair)
    ]
    return sorted(found, key=lambda s: (-s.share, s.pair.name))


def _of(pair: Pair) -> Iterator[Spike]:
    if isinstance(pair.now, CategoricalBlock):
        yield from _category(pair, pair.now)
    else:
        yield from _value(pair, pair.now)


def _category(pair: Pair, block: CategoricalBlock) -> Iterator[Spike]:
    before = shares_of(pair.good)
    if before is None or not block.top:
        return
    value, share = block.top[0]
    usual = before.get(value, 0.0)
    # A category that is new altogether is `new_category`'s, unless programs fill it in.
    default = value.strip().lower() in DEFAULTS
    if share - usual >= RISE and (value in before or default or share >= STUCK):
        yield Spike(pair, repr(value), share, usual, default)


def _value(pair: Pair, block: NumericBlock) -> Iterator[Spike]:
    shape, window = shape_of(pair.good), quantiles_of(block)
    if shape is None or window is None or shape.spread == 0:
        return
    low, middle, high = window
    constant = block.std is not None and block.std <= 1e-9 * max(1.0, abs(middle))
    lower, upper = _same(low, middle), _same(middle, high)
    before = shape.quantiles
    if constant:
        share = 1.0
    elif lower and upper:
        share = 0.9
    elif lower and not _same(before[0], before[1]) or upper and not _same(before[1], before[2]):
        share = 0.45
    elif (tail := _tail(pair, block)) is not None:
        yield tail
        return
    else:
        return
    if lower and upper and not constant and _same(before[0], before[2]):
        return
    yield Spike(pair, number(middle), share, None, middle in NUMERIC_DEFAULTS)


def _tail(pair: Pair, block: NumericBlock) -> Spike | None:
    """One value below (or above) all that the reference had, in 5 % of the rows or more."""
    good = pair.column
    if not isinstance(good, NumericReference) or good.min is None or good.max is None:
        return None
    for extreme, percentile, outside in (
        (block.min, block.p05, block.min is not None and block.min < good.min),
        (block.max, block.p95, block.max is not None and block.max > good.max),
    ):
        if not outside or extreme is None or percentile is None:
            continue
        if _same(extreme, percentile):
            share = max(0.05, (block.out_of_range or 0) / max(1, block.count))
            return Spike(pair, number(extreme), share, None, extreme in NUMERIC_DEFAULTS)
    return None


def _same(a: float, b: float) -> bool:
    return isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
