"""Measured numbers: durations, counts and sizes, which are finite and never below 0."""

from __future__ import annotations

import math

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.describe import describe


def optional_measure(value: object) -> float:
    """The number; NaN when it is absent, below 0, not finite or no number.

    >>> optional_measure(12), optional_measure(-1), optional_measure("12")
    (12.0, nan, nan)
    """
    if type(value) is float or type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            return math.nan
        if number >= 0.0 and number != math.inf:
            return number
    return math.nan


def required_measure(where: str, value: object) -> float:
    """The number, which must be one (0 is a measurement).

    Raises:
        RejectedEventError: `malformed`, where `optional_measure` takes it for absent.

    >>> required_measure("latency_ms", 0)
    0.0
    """
    number = optional_measure(value)
    if math.isnan(number):
        what = "it is below 0" if _is_negative(value) else f"it is {describe(value)}"
        raise RejectedEventError("malformed", where, f"{what}; a finite number from 0 is wanted")
    return number


def _is_negative(value: object) -> bool:
    return isinstance(value, (int, float)) and -math.inf < value < 0
