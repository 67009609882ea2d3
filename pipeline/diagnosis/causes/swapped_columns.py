"""Two features changed places: each looks like the other's reference."""

from __future__ import annotations

from itertools import combinations

from inferwatch.events.alert import Evidence, Suggestion
from inferwatch.events.window import NumericBlock
from pipeline.diagnosis.columns import MIN_ROWS, Pair, pairs, shares_of
from pipeline.diagnosis.shape import likeness, quantiles_of, shape_of
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number

CHANGED = 4.0
MAX_CHANGED = 20
"""Of more features that changed at once, only the most changed are paired."""


def examine(view: View) -> Examined | None:
    """The pair that fits best crosswise, where neither fits itself."""
    best = best_swap(view)
    if best is None:
        return None
    confidence, first, second = best
    return examined(
        "swapped_columns",
        confidence,
        f"{first.name} looks like {second.name} and {second.name} like {first.name}: the two "
        "were probably swapped",
        evidence=(_evidence(first, second), _evidence(second, first)),
        suggestions=(
            Suggestion(
                text=f"Check the order in which {first.name} and {second.name} are put into the "
                "request: a list without names, a reordered query or table is the usual cause.",
            ),
            Suggestion(
                text="Roll the sender back to its last release, or swap the two back in front of "
                "the model.",
            ),
        ),
    )


def swapped_names(view: View) -> frozenset[str]:
    """The features of a swap that is likelier than not: nothing else is wrong with them."""
    best = best_swap(view)
    if best is None or best[0] < 0.5:
        return frozenset()
    return frozenset({best[1].name, best[2].name})


def best_swap(view: View) -> tuple[float, Pair, Pair] | None:
    """Confidence and the two features; None where no two fit crosswise."""
    changed = [(misfit, p) for p in pairs(view) if (misfit := _misfit(p, p)) > CHANGED]
    changed = sorted(changed, key=lambda c: (-c[0], c[1].name))[:MAX_CHANGED]
    best: tuple[float, Pair, Pair] | None = None
    for (own_a, a), (own_b, b) in combinations(changed, 2):
        crossed = likeness(max(_misfit(a, b), _misfit(b, a)))
        confidence = 0.98 * crossed * (1 - likeness(min(own_a, own_b)))
        if best is None or confidence > best[0]:
            best = (confidence, a, b) if a.name < b.name else (confidence, b, a)
    return best if best is not None and best[0] >= 0.2 else None


def _misfit(now: Pair, good: Pair) -> float:
    """How badly a feature's window fits a feature's reference: 25 at most."""
    window, shape = quantiles_of(now.now), shape_of(good.good)
    if now.now.count < MIN_ROWS:
        return 0.0 if now is good else 25.0
    if window is not None and shape is not None:
        misfit = shape.misfit(window)
        block = now.now
        if now is good or not isinstance(block, NumericBlock) or block.mean is None:
            return misfit
        return min(misfit, shape.moments_misfit(block.mean, block.std or 0.0))
    mine, theirs = shares_of(now.now), shares_of(good.good)
    if mine is None or theirs is None:
        return 25.0
    # Total variation distance: a tenth is what an ordinary window shows.
    distance = sum(abs(mine.get(k, 0.0) - theirs.get(k, 0.0)) for k in mine) / 2
    return min(25.0, (distance / 0.1) ** 2)


def _evidence(now: Pair, like: Pair) -> Evidence:
    window, good = quantiles_of(now.now), shape_of(like.good)
    own = shape_of(now.good)
    if window is not None and good is not None:
        return Evidence(
            text=f"{now.name}: median {number(window[1])}, which is {like.name}'s usual "
            f"{number(good.quantiles[1])}",
            metric=f"{now.metric}.p50",
            before=None if own is None else own.quantiles[1],
            after=window[1],
        )
    top = next(iter(shares_of(now.now) or {}), "")
    usual = next(iter(shares_of(now.good) or {}), None)
    return Evidence(
        text=f"{now.name}: the commonest value is {top!r}, which belongs to {like.name}",
        metric=f"{now.metric}.top",
        before=usual,
        after=top,
    )
