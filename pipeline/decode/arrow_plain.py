"""Any Arrow type as one of the few that columns are made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NUMBER_TYPES = frozenset(
    {
        pa.lib.Type_INT8,
        pa.lib.Type_INT16,
        pa.lib.Type_INT32,
        pa.lib.Type_INT64,
        pa.lib.Type_UINT8,
        pa.lib.Type_UINT16,
        pa.lib.Type_UINT32,
        pa.lib.Type_UINT64,
        pa.lib.Type_FLOAT,
        pa.lib.Type_DOUBLE,
    }
)
TEXT_TYPES = frozenset({pa.lib.Type_STRING, pa.lib.Type_LARGE_STRING, pa.lib.Type_STRING_VIEW})
UNION_TYPES = frozenset({pa.lib.Type_DENSE_UNION, pa.lib.Type_SPARSE_UNION})


def plain(array: pa.Array) -> pa.Array:
    """The same values as numbers, texts, booleans, nulls, unions, or a dictionary of texts.

    Decimals and half floats become numbers, durations the whole numbers of their unit, and times
    ISO 8601 texts: as a feature a time is a category like any other text. Types that no column
    holds (lists, maps, bytes) stay what they are.

    >>> import datetime
    >>> plain(pa.array([datetime.datetime(2025, 11, 24, 16)])).to_pylist()
    ['2025-11-24T16:00:00.000000']
    """
    change = _CHANGES.get(array.type.id)
    return array if change is None else change(array)


def python_value(array: pa.Array, row: int) -> Any:
    """One value as Python's own; a time outside Python's calendar as text."""
    try:
        return array[row].as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return plain(array.slice(row, 1))[0].as_py()


def _timestamp(array: pa.Array) -> pa.Array:
    # Arrow keeps UTC whatever the zone; without the zone no zone has to be known here.
    naive = array.cast(pa.timestamp(array.type.unit)) if array.type.tz is None else _utc(array)
    text = pc.replace_substring(naive.cast(pa.string()), " ", "T", max_replacements=1)
    return text if array.type.tz is None else pc.binary_join_element_wise(text, "Z", "")


def _utc(array: pa.Array) -> pa.Array:
    return array.cast(pa.int64()).cast(pa.timestamp(array.type.unit))


def _dictionary(array: pa.Array) -> pa.Array:
    if array.type.value_type.id in TEXT_TYPES:
        return array
    return plain(array.dictionary_decode())


def _cast(target: pa.DataType) -> Callable[[Any], Any]:
    return lambda array: array.cast(target, safe=False)


_CHANGES: dict[int, Callable[[pa.Array], pa.Array]] = {
    pa.lib.Type_HALF_FLOAT: _cast(pa.float32()),
    pa.lib.Type_DECIMAL32: _cast(pa.float64()),
    pa.lib.Type_DECIMAL64: _cast(pa.float64()),
    pa.lib.Type_DECIMAL128: _cast(pa.float64()),
    pa.lib.Type_DECIMAL256: _cast(pa.float64()),
    pa.lib.Type_DURATION: _cast(pa.int64()),
    pa.lib.Type_DATE32: _cast(pa.string()),
    pa.lib.Type_DATE64: _cast(pa.string()),
    pa.lib.Type_TIME32: _cast(pa.string()),
    pa.lib.Type_TIME64: _cast(pa.string()),
    pa.lib.Type_TIMESTAMP: _timestamp,
    pa.lib.Type_DICTIONARY: _dictionary,
    pa.lib.Type_RUN_END_ENCODED: lambda array: plain(pc.run_end_decode(array)),
}
