"""The fields that every row of a batch has, checked: times, names, ids, numbers of rows.

Each has a fast way for the types that our own senders write; any other type goes value by value
through the checks of the JSON path, so that both paths decide the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.ids import event_id
from inferwatch.events.fields.timestamps import EARLIEST, event_time
from pipeline.columns import Codes, Ints
from pipeline.decode.arrow_column import to_column, validity
from pipeline.decode.arrow_plain import TEXT_TYPES, plain
from pipeline.decode.column_values import encode_texts
from pipeline.decode.faults import Faults
from pipeline.decode.record import LARGEST_SEQ

_SIGNED = frozenset({pa.lib.Type_INT64, pa.lib.Type_INT32, pa.lib.Type_INT16, pa.lib.Type_INT8})
_WHOLE = _SIGNED | {pa.lib.Type_UINT64, pa.lib.Type_UINT32, pa.lib.Type_UINT16, pa.lib.Type_UINT8}
_TEXTS = TEXT_TYPES | {pa.lib.Type_DICTIONARY}
_UNITS_PER_MS = {"us": 1_000, "ns": 1_000_000}


def times(array: pa.Array | None, latest: Ints, faults: Faults) -> Ints:
    """`ts` of each row; a column of Arrow timestamps is brought to whole milliseconds.

    Args:
        array: the column, None when the batch has none.
        latest: shape (n,); the latest time that is not in the future.
        faults: where bad rows are noted; their time in the answer means nothing.
    """
    size = len(latest)
    if array is not None and array.type.id == pa.lib.Type_TIMESTAMP:
        array = _milliseconds(array)
    if array is not None and array.type.id in _SIGNED and not array.null_count:
        values: Ints = array.to_numpy().astype(np.int64, copy=False)
        suspects = np.flatnonzero((values > latest) | (values < EARLIEST))
        for row in suspects.tolist():
            _note_time(int(values[row]), int(latest[row]), row, faults)
        return values
    times = np.zeros(size, np.int64)
    for row, value in enumerate(python_values(array, size)):
        times[row] = _note_time(value, int(latest[row]), row, faults)
    return times


def _note_time(value: object, latest: int, row: int, faults: Faults) -> int:
    try:
        return event_time(value, latest)
    except RejectedEventError as error:
        faults.by_row.setdefault(row, error)
        return 0


def _milliseconds(array: pa.Array) -> pa.Array:
    unit, values = array.type.unit, array.cast(pa.int64())
    if unit == "ms":
        return values
    present = validity(values)
    numbers = values.fill_null(0).to_numpy()
    if unit == "s":
        # Beyond this the product would not fit; such a time is in the future in any case.
        numbers = np.clip(numbers, -(2**52), 2**52) * 1_000
    else:
        numbers = numbers // _UNITS_PER_MS[unit]
    return pa.array(numbers, mask=None if present is None else ~present)


def names(
    array: pa.Array | None,
    constant: str | None,
    size: int,
    check: Callable[[object], str],
    faults: Faults,
) -> tuple[Codes, tuple[str, ...]]:
    """Codes and texts of `model` or `version`; where the column has none the constant counts."""
    if array is None or array.type.id == pa.lib.Type_NA:
        try:
            text = check(constant)
        except RejectedEventError:
            faults.check([constant] * size, check, "")
            text = ""
        return np.zeros(size, np.int32), (text,)
    if array.type.id in _TEXTS:
        column = to_column(plain(array))
        codes, texts = column.codes, column.texts
        if codes is not None and column.numbers is None and "" not in texts and codes.min() >= 0:
            return codes, texts
    values = python_values(array, size)
    return encode_texts(faults.check([constant if v is None else v for v in values], check, ""))


def ids(array: pa.Array | None, faults: Faults) -> tuple[str | None, ...] | None:
    """The id of each row; None when no row has one."""
    if array is None or array.type.id == pa.lib.Type_NA:
        return None
    if array.type.id in TEXT_TYPES:
        if array.null_count == len(array):
            return None
        found: list[str | None] = array.to_numpy(zero_copy_only=False).tolist()
        return tuple(found)
    checked = faults.check(python_values(array, len(array)), event_id, None)
    return None if checked.count(None) == len(checked) else tuple(checked)


def numbers_of_rows(array: pa.Array | None) -> Ints | None:
    """The column `seq`: -1 where a row has no number; None when there is no such column."""
    if array is None or array.type.id not in _WHOLE:
        return None
    # What is beyond 64 bits with a sign turns negative here, and is no number of a row.
    values: Ints = array.cast(pa.int64(), safe=False).fill_null(-1).to_numpy().copy()
    values[(values < 0) | (values > LARGEST_SEQ)] = -1
    return values


def python_values(array: pa.Array | None, size: int) -> list[Any]:
    """The values as Python's own, None for null; all None without a column."""
    return [None] * size if array is None else plain(array).to_pylist()
