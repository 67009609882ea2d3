"""The canonical text of a value: how labels, predictions, classes and categories are compared.

Numbers are written in their shortest form, booleans as `true` and `false`, so that the class `1`
of a config, the label `1.0` of a JSON event and the prediction `1` of a model are one class.
"""

from __future__ import annotations

import math

# Above it doubles are further than 1 apart, and digits would be printed that nobody sent.
_LARGEST_PLAIN = 1e16


def number_text(number: float | int) -> str:
    """The shortest text that reads back as the same double.

    Whole numbers below 1e16 have neither point nor exponent; -0.0 is `0`; other numbers are
    Python's shortest repr with the exponent bare (`1e300`, `1e-07` is `1e-7`); the three that
    JSON has no digits for are `NaN`, `Infinity` and `-Infinity`. A whole number that no double
    holds is the text of the nearest double: the same one as in a column of doubles.

    >>> number_text(1.0), number_text(1), number_text(-0.0), number_text(0.1)
    ('1', '1', '0', '0.1')
    >>> number_text(1e300), number_text(1e-7), number_text(10**400), number_text(2**53 + 1)
    ('1e300', '1e-7', 'Infinity', '9007199254740992')
    """
    try:
        value = float(number)
    except OverflowError:
        value = math.inf if number > 0 else -math.inf
    if value.is_integer() and abs(value) < _LARGEST_PLAIN:
        return str(int(value))
    if math.isfinite(value):
        mantissa, exponent, power = repr(value).partition("e")
        return f"{mantissa}e{int(power)}" if exponent else mantissa
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def value_text(value: float | int | str | bool) -> str:
    """The canonical text of a label, a prediction, a class or a category.

    >>> value_text(True), value_text("1.10"), value_text(1.10)
    ('true', '1.10', '1.1')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value)
