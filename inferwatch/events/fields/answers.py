"""What a model answered, and what was true: a number, a text or a boolean."""

from __future__ import annotations

import math
import re

from inferwatch.errors import RejectedEventError
from inferwatch.events.canonical import value_text
from inferwatch.events.fields.describe import describe

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def prediction_value(value: object) -> float | int | str:
    """The prediction; a boolean is the class `true` or `false`.

    Raises:
        RejectedEventError: `no_prediction` when absent or null; `malformed` for an array or an
            object.

    >>> prediction_value("legit"), prediction_value(False), prediction_value(1.5)
    ('legit', 'false', 1.5)
    """
    if value is None:
        raise RejectedEventError("no_prediction", "prediction", "the event has no prediction")
    return _scalar("prediction", value)


def label_text(value: object) -> str:
    """The label as a class, in canonical text.

    Raises:
        RejectedEventError: `malformed` when absent, null, an array or an object.

    >>> label_text(1.0), label_text("1"), label_text(True)
    ('1', '1', 'true')
    """
    if value is None:
        raise RejectedEventError("malformed", "label", "the event has no label")
    return value_text(_scalar("label", value))


def label_number(text: str) -> float:
    """The number that a canonical text says, for regressions; NaN when it says none.

    A label from a CSV file is text as written, so the text decides, not the type.

    >>> label_number("12.50"), label_number("1e300"), label_number("late")
    (12.5, 1e+300, nan)
    """
    if _NUMBER.fullmatch(text):
        return float(text)
    return {"Infinity": math.inf, "-Infinity": -math.inf}.get(text, math.nan)


def _scalar(where: str, value: object) -> float | int | str:
    if isinstance(value, bool):
        return value_text(value)
    if isinstance(value, (str, int, float)):
        return value
    raise RejectedEventError(
        "malformed", where, f"it is {describe(value)}; a text or a number is wanted"
    )
