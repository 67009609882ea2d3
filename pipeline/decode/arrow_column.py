"""Arrow arrays to columns, without a copy where the array holds doubles or floats."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.columns import Codes, Column, Floats, Mask
from pipeline.decode.arrow_plain import NUMBER_TYPES, TEXT_TYPES, UNION_TYPES, plain

_FLOATS = {pa.lib.Type_DOUBLE: np.float64, pa.lib.Type_FLOAT: np.float32}


def to_column(array: pa.Array) -> Column:
    """The column of an array of any type; a null is a missing value.

    About 2 µs for doubles, 20 µs for 1,024 texts.

    >>> column = to_column(pa.array([1.5, None]))
    >>> column.numbers[0].item(), column.is_number.tolist()
    (1.5, [True, False])
    >>> to_column(pa.array([True, None])).codes.tolist()
    [1, -1]
    """
    array = plain(array)
    kind = array.type.id
    if kind in NUMBER_TYPES:
        return _number_column(array, kind)
    if kind in TEXT_TYPES:
        return _dictionary_column(array.dictionary_encode())
    if kind == pa.lib.Type_DICTIONARY:
        return _dictionary_column(array)
    if kind == pa.lib.Type_BOOL:
        return _bool_column(array)
    if kind == pa.lib.Type_NA:
        return Column(len(array))
    if kind in UNION_TYPES:
        return _union_column(array)
    odd = validity(array)
    return Column(len(array), odd=np.ones(len(array), np.bool_) if odd is None else odd)


def validity(array: pa.Array) -> Mask | None:
    """Which rows hold a value; None when all do."""
    if array.null_count == 0 and array.type.id not in UNION_TYPES:
        return None
    mask: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


def _number_column(array: pa.Array, kind: int) -> Column:
    size = len(array)
    if not array.null_count:
        values = array.to_numpy()
        return Column(size, numbers=values if kind in _FLOATS else values.astype(np.float64))
    present = validity(array)
    if kind in _FLOATS:
        # What stands under a null is not looked at, so the buffer can be used as it is.
        data, dtype = array.buffers()[1], np.dtype(_FLOATS[kind])
        numbers: Floats = np.frombuffer(data, dtype, size, array.offset * dtype.itemsize)
    else:
        numbers = array.fill_null(0).to_numpy().astype(np.float64)
    return Column(size, numbers=numbers, is_number=present)


def _bool_column(array: pa.Array) -> Column:
    present = validity(array)
    flags = array if present is None else array.fill_null(False)
    codes: Codes = flags.to_numpy(zero_copy_only=False).astype(np.int32)
    if present is not None:
        codes[~present] = -1
    return Column(len(array), codes=codes, texts=("false", "true"))


def _dictionary_column(array: pa.DictionaryArray) -> Column:
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(0)
    codes: Codes = indices.to_numpy().astype(np.int32, copy=False)
    if array.indices.null_count:
        codes = np.where(array.indices.is_valid().to_numpy(zero_copy_only=False), codes, -1)
        codes = codes.astype(np.int32, copy=False)
    texts = array.dictionary.to_pylist()
    if None in texts or len(set(texts)) < len(texts):
        codes, texts = _distinct(codes, texts)
    return Column(len(array), codes=codes if texts else None, texts=tuple(texts))


def _distinct(codes: Codes, texts: list[str | None]) -> tuple[Codes, list[str | None]]:
    """A foreign dictionary may name a text twice, or hold a null."""
    place: dict[str, int] = {}
    new = [-1 if text is None else place.setdefault(text, len(place)) for text in texts]
    # The last entry answers for the code -1.
    return np.array([*new, -1], np.int32)[codes], list(place)


def _union_column(array: pa.UnionArray) -> Column:
    size = len(array)
    kinds = array.type_codes.to_numpy()
    dense = array.type.id == pa.lib.Type_DENSE_UNION
    offsets = array.offsets.to_numpy() if dense else np.arange(size)
    numbers = np.zeros(size, np.float64)
    is_number, odd = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    codes = np.full(size, -1, np.int32)
    place: dict[str, int] = {}
    for child, kind in enumerate(array.type.type_codes):
        rows = np.flatnonzero(kinds == kind)
        part = to_column(array.field(child)).take(offsets[rows].astype(np.int64))
        if part.numbers is not None:
            is_number[rows] = True if part.is_number is None else part.is_number
            numbers[rows] = part.numbers
        if part.codes is not None:
            new = [place.setdefault(text, len(place)) for text in part.texts]
            here = part.codes >= 0
            codes[rows[here]] = np.array(new, np.int32)[part.codes[here]]
        if part.odd is not None:
            odd[rows] = part.odd
    return Column(
        size,
        numbers=numbers if is_number.any() else None,
        is_number=is_number if is_number.any() else None,
        codes=codes if place else None,
        texts=tuple(place),
        odd=odd if odd.any() else None,
    )
