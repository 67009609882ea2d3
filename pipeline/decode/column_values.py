"""Python values to columns: the JSON path, and the rare types of the Arrow path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.canonical import number_text, value_text
from pipeline.columns import Codes, Column, Floats

_NUMBERS = {float, int}
_NONE = type(None)


def encode_texts(values: Sequence[str | None]) -> tuple[Codes, tuple[str, ...]]:
    """Codes into the distinct texts, in order of appearance; -1 for None.

    >>> encode_texts(["b", None, "a", "b"])
    (array([ 0, -1,  1,  0], dtype=int32), ('b', 'a'))
    """
    distinct = dict.fromkeys(values)
    distinct.pop(None, None)
    code: dict[str | None, int] = {text: i for i, text in enumerate(distinct)}
    code[None] = -1
    codes = np.fromiter(map(code.__getitem__, values), np.int32, len(values))
    return codes, tuple(text for text in distinct if text is not None)


def column_of(values: Sequence[object]) -> Column:
    """The column of these values; about 20 ns a value.

    None is missing, a boolean is the text `true` or `false`, a number beyond the double range is
    infinite, and what is no scalar is odd.

    >>> column = column_of([1, "x", None, [2], True])
    >>> column.numbers.tolist(), column.is_number.tolist()
    ([1.0, 0.0, 0.0, 0.0, 0.0], [True, False, False, False, False])
    >>> column.codes.tolist(), column.texts, column.odd.tolist()
    ([-1, 0, -1, -1, 1], ('x', 'true'), [False, False, False, True, False])
    """
    size = len(values)
    kinds = set(map(type, values))
    nullable = _NONE in kinds
    kinds.discard(_NONE)
    if not kinds:
        return Column(size)
    if kinds <= _NUMBERS:
        if not nullable:
            return Column(size, numbers=_doubles(values, size))
        present = [value is not None for value in values]
        plain = [0.0 if value is None else value for value in values]
        return Column(
            size, numbers=_doubles(plain, size), is_number=np.array(present, dtype=np.bool_)
        )
    if kinds == {str}:
        codes, texts = encode_texts(values)  # type: ignore[arg-type]
        return Column(size, codes=codes, texts=texts)
    return _mixed_column(values)


def text_column_of(values: Sequence[object]) -> Column:
    """The column of segment values: numbers are texts here too, and no scalar is missing.

    >>> text_column_of(["eu", 1.0, None]).texts
    ('eu', '1')
    """
    return as_texts(column_of(values))


def as_texts(column: Column) -> Column:
    """The same column with its numbers as canonical texts, and nothing odd."""
    if column.numbers is None:
        return Column(column.size, codes=column.codes, texts=column.texts)
    is_number = np.ones(column.size, np.bool_) if column.is_number is None else column.is_number
    place = {text: code for code, text in enumerate(column.texts)}
    distinct, inverse = np.unique(column.numbers[is_number], return_inverse=True)
    # A float's own shortest form: 0.1, not the 0.10000000149011612 of the double beside it.
    numbers = [place.setdefault(number_text(float(str(n))), len(place)) for n in distinct]
    codes = np.full(column.size, -1, np.int32) if column.codes is None else column.codes.copy()
    codes[is_number] = np.array(numbers, np.int32)[inverse]
    return Column(column.size, codes=codes, texts=tuple(place))


def doubles(values: Sequence[float]) -> NDArray[np.float64]:
    """Floats as an array."""
    return np.fromiter(values, np.float64, len(values))


def _doubles(values: Sequence[Any], size: int) -> Floats:
    try:
        return np.fromiter(values, np.float64, size)
    except OverflowError:
        return np.fromiter(map(_to_double, values), np.float64, size)


def _to_double(value: float | int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _mixed_column(values: Sequence[object]) -> Column:
    size = len(values)
    numbers = np.zeros(size, np.float64)
    is_number = np.zeros(size, np.bool_)
    odd = np.zeros(size, np.bool_)
    texts: list[str | None] = [None] * size
    for i, value in enumerate(values):
        if value is None:
            continue
        if isinstance(value, (str, bool)):
            texts[i] = value_text(value)
        elif isinstance(value, (int, float)):
            numbers[i] = _to_double(value)
            is_number[i] = True
        else:
            odd[i] = True
    codes, distinct = encode_texts(texts)
    return Column(
        size,
        numbers=numbers if is_number.any() else None,
        is_number=is_number if is_number.any() else None,
        codes=codes if distinct else None,
        texts=distinct,
        odd=odd if odd.any() else None,
    )
