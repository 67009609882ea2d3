"""A feature came in another unit: seconds for minutes, cents for euros, Fahrenheit for Celsius.

The window's p05, p50 and p95 are fitted to the reference's under every conversion in the table.
A conversion is believed by how well the converted reference fits, times how badly everything
fits that a population does by itself: staying as it was, moving by any amount, or stretching by
up to a factor of two. So x1.5, or 30 more on everything, is no unit change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.causes.swapped_columns import swapped_names
from pipeline.diagnosis.columns import MIN_ROWS, Pair, pairs
from pipeline.diagnosis.commands import show_reference
from pipeline.diagnosis.shape import Shape, Three, likeness, quantiles_of, shape_of
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import clock, names, number, times

STRETCH = 2.0
"""The most that a population stretches by itself."""
CHANGED = 3.0
"""Misfit above which a column is no longer what it was."""
ABSURD = 30.0
"""Misfit beyond any natural day."""
CONTRAST = 4.0
"""A rival that fits so many times worse leaves a belief of one half."""
ONLY_MOMENTS = 0.6
"""How far the mean and the spread alone are believed, where the quantiles are all one value."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """New values = old values x scale + offset.

    Attributes:
        reading: what it most often is.
        prior: how far a perfect fit is believed; less for factors that populations reach alone.
    """

    scale: float
    reading: str
    offset: float = 0.0
    prior: float = 0.97

    @property
    def is_pure(self) -> bool:
        """Whether it only scales."""
        return self.offset == 0.0


def _both(scale: float, larger: str, smaller: str, prior: float = 0.97) -> Iterator[Conversion]:
    yield Conversion(scale, larger, prior=prior)
    yield Conversion(1 / scale, smaller, prior=prior)


CONVERSIONS: tuple[Conversion, ...] = (
    *_both(60.0, "seconds instead of minutes", "minutes instead of seconds"),
    *_both(1000.0, "a thousandth of the usual unit, such as milliseconds instead of seconds",
           "a thousand of the usual unit, such as seconds instead of milliseconds"),
    *_both(100.0, "cents instead of whole units, or per cent instead of a fraction",
           "whole units instead of cents, or a fraction instead of per cent"),
    *_both(10.0, "tenths instead of whole units, or millimetres instead of centimetres",
           "whole units instead of tenths, or centimetres instead of millimetres", 0.94),
    *_both(24.0, "hours instead of days", "days instead of hours", 0.95),
    *_both(3600.0, "seconds instead of hours", "hours instead of seconds"),
    *_both(86_400.0, "seconds instead of days", "days instead of seconds"),
    *_both(1e6, "microseconds instead of seconds, or millionths",
           "seconds instead of microseconds, or millions"),
    *_both(1609.344, "metres instead of miles", "miles instead of metres"),
    *_both(1 / 0.3048, "feet instead of metres", "metres instead of feet", 0.9),
    *_both(1 / 0.0254, "inches instead of metres", "metres instead of inches"),
    *_both(2.54, "centimetres instead of inches", "inches instead of centimetres", 0.85),
    *_both(1 / 0.45359237, "pounds instead of kilograms", "kilograms instead of pounds", 0.8),
    *_both(1.609344, "kilometres instead of miles", "miles instead of kilometres", 0.3),
    Conversion(1.8, "Fahrenheit instead of Celsius", 32.0, 0.9),
    Conversion(1 / 1.8, "Celsius instead of Fahrenheit", -32 / 1.8, 0.9),
    Conversion(1.0, "kelvin instead of Celsius", 273.15, 0.95),
    Conversion(1.0, "Celsius instead of kelvin", -273.15, 0.95),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fit:
    """The conversion that explains a feature best."""

    pair: Pair
    shape: Shape
    window: Three
    conversion: Conversion
    confidence: float


def examine(view: View) -> Examined | None:
    """The feature whose unit most surely changed; others that did are named with it."""
    # A column that took another's place is larger or smaller too, but not by a conversion.
    swapped = swapped_names(view)
    candidates = (best_fit(pair) for pair in pairs(view) if pair.name not in swapped)
    fits = [fit for fit in candidates if fit is not None]
    if not fits:
        return None
    fits.sort(key=lambda f: (-f.confidence, f.pair.name))
    first = fits[0]
    others = [f.pair.name for f in fits[1:] if f.confidence > 0.5]
    why = f"{_size(first)}: its unit probably changed ({first.conversion.reading})"
    if others:
        why += f", and so did that of {names(others)}"
    return examined(
        "unit_change",
        first.confidence,
        why,
        evidence=tuple(e for fit in fits[:3] for e in _evidence(fit)),
        suggestions=_suggestions(view, first),
    )


def best_fit(pair: Pair) -> Fit | None:
    """The best conversion of one feature; None where it is as it was, or nothing fits."""
    shape, window = shape_of(pair.good), quantiles_of(pair.now)
    if shape is None or window is None or pair.now.count < MIN_ROWS:
        return None
    if shape.spread == 0 or window[0] == window[2]:
        return _fit_moments(pair, shape, window)
    # A unit changes every value: where the middle and one side stayed, it is the tail's affair.
    if shape.misfit(window) < CHANGED or shape.only_tail_moved(window):
        return None
    moved = min(shape.misfit(window), shape.misfit(window, 1.0, _shift(shape, window)))
    stretched = shape.misfit(window, _stretch(shape, window))
    best: Fit | None = None
    for conversion in CONVERSIONS:
        # A shift that is smaller than the spread is what populations do.
        if conversion.scale == 1.0 and abs(conversion.offset) < 2 * shape.spread:
            continue
        # A factor that populations reach by themselves is no rival to itself, nor is a shift.
        alone = 1 / STRETCH <= conversion.scale <= STRETCH
        rival = inf if conversion.scale == 1.0 else moved if alone else min(moved, stretched)
        confidence = _belief(shape, window, conversion, rival)
        if best is None or confidence > best.confidence:
            best = Fit(pair, shape, window, conversion, confidence)
    return best if best is not None and best.confidence >= 0.2 else None


def _belief(shape: Shape, window: Three, conversion: Conversion, rival: float) -> float:
    """How far a conversion is believed, `rival` being the misfit of what happens by itself.

    Either it fits as a good window does, and its rivals do not; or all rivals are out of the
    question, and it is so much nearer than they are that the rest may be an unusual day.
    """
    misfit = shape.misfit(window, conversion.scale, conversion.offset)
    fits = likeness(misfit) * (1 - likeness(rival))
    contrast = min(1e9, rival) / max(1.0, misfit)
    nearer = contrast / (contrast + CONTRAST) if rival > ABSURD > misfit else 0.0
    return conversion.prior * max(fits, nearer)


def _fit_moments(pair: Pair, shape: Shape, window: Three) -> Fit | None:
    """Mean and spread alone: for a column that is one value nearly always."""
    mean, std = getattr(pair.now, "mean", None), getattr(pair.now, "std", None)
    if not mean or not std or not shape.mean or not shape.std or mean / shape.mean <= 0:
        return None
    ratios = (log(mean / shape.mean), log(std / shape.std))
    best: Fit | None = None
    for conversion in CONVERSIONS:
        if not conversion.is_pure or 1 / STRETCH <= conversion.scale <= STRETCH:
            continue
        off = sum(((ratio - log(conversion.scale)) / 0.4) ** 2 for ratio in ratios) / 2
        confidence = ONLY_MOMENTS * conversion.prior * likeness(off)
        if confidence >= 0.2 and (best is None or confidence > best.confidence):
            best = Fit(pair, shape, window, conversion, confidence)
    return best


def _shift(shape: Shape, window: Three) -> float:
    return window[1] - shape.quantiles[1]


def _stretch(shape: Shape, window: Three) -> float:
    ratio = (window[2] - window[0]) / shape.spread
    return min(STRETCH, max(1 / STRETCH, ratio))


def _size(fit: Fit) -> str:
    name, conversion = fit.pair.name, fit.conversion
    if conversion.scale == 1.0:
        more = "more" if conversion.offset > 0 else "less"
        return f"{name} is {number(abs(conversion.offset))} {more} than usual"
    if not conversion.is_pure:
        return (
            f"{name} is about {number(conversion.scale)} times its usual size "
            f"{'plus' if conversion.offset > 0 else 'minus'} {number(abs(conversion.offset))}"
        )
    return f"{name} is {times(conversion.scale)} its usual size"


def _evidence(fit: Fit) -> Iterator[Evidence]:
    low, middle, high = fit.shape.quantiles
    now_low, now_middle, now_high = fit.window
    name, metric = fit.pair.name, fit.pair.metric
    yield Evidence(
        text=f"{name}: 95th percentile {number(high)} became {number(now_high)}",
        metric=f"{metric}.p95",
        before=high,
        after=now_high,
    )
    yield Evidence(
        text=f"{name}: median {number(middle)} became {number(now_middle)}, 5th percentile "
        f"{number(low)} became {number(now_low)}: the same conversion fits all three",
        metric=f"{metric}.p50",
        before=middle,
        after=now_middle,
    )


def _suggestions(view: View, fit: Fit) -> tuple[Suggestion, ...]:
    name = fit.pair.name
    return (
        Suggestion(
            text=f"Ask whoever sends {name} what was released just before "
            f"{clock(view.starts_at)}, and look at a few raw requests: does {name} still come in "
            "the unit of the training data?",
            command=show_reference(view),
        ),
        Suggestion(
            text=f"Roll that release back, or convert {name} in front of the model until it is "
            f"mended ({_back(fit.conversion)}).",
        ),
    )


def _back(conversion: Conversion) -> str:
    scale, offset = conversion.scale, conversion.offset
    if conversion.is_pure:
        return f"divide by {number(scale)}" if scale > 1 else f"multiply by {number(1 / scale)}"
    sign = "subtract" if offset > 0 else "add"
    text = f"{sign} {number(abs(offset))}"
    return text if scale == 1.0 else f"{text}, then divide by {number(scale)}"
