"""Measured numbers of a batch: what `measures.py` says of one value, for a column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from inferwatch.events.fields.measures import required_measure
from pipeline.decode.arrow_column import to_column
from pipeline.decode.arrow_plain import python_value
from pipeline.decode.faults import Faults


def measures(array: pa.Array | None, size: int) -> NDArray[np.float64]:
    """The numbers as doubles; NaN where a row has none, one below 0, or one that is not finite.

    >>> measures(pa.array([1, -1, None]), 3).tolist()
    [1.0, nan, nan]
    """
    column = None if array is None else to_column(array)
    if column is None or column.numbers is None:
        return np.full(size, np.nan)
    usable = (column.numbers >= 0) & (column.numbers < np.inf)
    if column.is_number is not None:
        usable &= column.is_number
    return np.where(usable, column.numbers, np.nan).astype(np.float64, copy=False)


def required_measures(
    where: str, array: pa.Array | None, size: int, faults: Faults
) -> NDArray[np.float64]:
    """The same for a number that must be there; the rows that lack it are noted in `faults`."""
    numbers = measures(array, size)
    for row in np.flatnonzero(np.isnan(numbers)).tolist():
        value = None if array is None else python_value(array, row)
        faults.check_row(row, value, lambda value: required_measure(where, value))
    return numbers
