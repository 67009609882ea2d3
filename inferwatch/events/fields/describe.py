"""What kind of thing a value is, in words, without telling the value itself.

Dead letters may be kept without their bytes (`deadletter.keep`), so no message quotes them.
"""

from __future__ import annotations

import math


def describe(value: object) -> str:
    """The kind of a value, as JSON names it.

    >>> describe(None), describe(True), describe("x"), describe([1]), describe(float("nan"))
    ('null', 'a boolean', 'a text', 'an array', 'a number that is not finite')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, (int, float)):
        return "a number" if math.isfinite(value) else "a number that is not finite"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "an array"
    return "of another type"
