"""A number as the text that classes and categories are compared by."""

from __future__ import annotations

from typing import Any

import numpy as np

_WHOLE_BELOW = 1e16


def number_text(value: float | np.floating[Any]) -> str:
    """The shortest text that reads back as this number: 1 = 1.0 = "1".

    A float32 is written as short as a float32 can be, so that 0.1 is "0.1" in either width.

    >>> number_text(1.0), number_text(-0.0), number_text(0.1), number_text(np.float32(0.1))
    ('1', '0', '0.1', '0.1')
    >>> number_text(1e15), number_text(1e300)
    ('1000000000000000', '1e+300')
    """
    exact = float(value)
    if exact.is_integer() and abs(exact) < _WHOLE_BELOW:
        return str(int(exact))
    if isinstance(value, np.floating):
        return str(value)
    return repr(exact)
