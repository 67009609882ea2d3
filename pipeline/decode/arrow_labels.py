"""A columnar batch of labels to columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from inferwatch.events.fields.answers import label_number, label_text
from pipeline.columns import Ints, LabelRows
from pipeline.decode.arrow_column import to_column
from pipeline.decode.arrow_fields import Fields
from pipeline.decode.arrow_plain import TEXT_TYPES, python_value
from pipeline.decode.arrow_scalars import numbers_of_rows, python_values, times
from pipeline.decode.column_values import as_texts
from pipeline.decode.faults import Faults
from pipeline.decode.json_labels import required_id


def label_rows(fields: Fields, latest: Ints, faults: Faults) -> LabelRows:
    """The columns of all rows, bad ones too; these are noted in `faults`."""
    plain, size = fields.plain, fields.size
    ts = times(plain.get("ts"), latest, faults)
    ids = _ids(plain.get("id"), size, faults)
    texts, numbers = _labels(plain.get("label"), size, faults)
    return LabelRows(
        size=size,
        ts=ts,
        ids=ids,
        texts=texts,
        numbers=numbers,
        seq=numbers_of_rows(plain.get("seq")),
    )


def _ids(array: pa.Array | None, size: int, faults: Faults) -> tuple[str, ...]:
    if array is not None and array.type.id in TEXT_TYPES and not array.null_count:
        return tuple(array.to_numpy(zero_copy_only=False).tolist())
    return tuple(faults.check(python_values(array, size), required_id, ""))


def _labels(
    array: pa.Array | None, size: int, faults: Faults
) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    column = None if array is None else as_texts(to_column(array))
    codes = np.full(size, -1, np.int32)
    distinct: tuple[str, ...] = ()
    if column is not None and column.codes is not None:
        codes, distinct = column.codes, column.texts
    for row in np.flatnonzero(codes < 0).tolist():
        faults.check_row(row, None if array is None else python_value(array, row), label_text)
    # Few labels are distinct, so each is looked at once; the code -1 takes the last entry.
    texts = np.array([*distinct, ""], object)
    numbers = np.array([*map(label_number, distinct), np.nan], np.float64)
    return tuple(texts[codes].tolist()), numbers[codes]
