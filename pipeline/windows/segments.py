"""Segments: the rows of a batch by the value of a key, each key by itself (no cross product)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from inferwatch.events.canonical import number_text
from pipeline.columns import Codes, Column, Ints, PredictionRows

FEW = 32
"""So many values are looked for one by one."""


def texts_of(column: Column) -> list[str | None]:
    """The text of each row: numbers in their own width's shortest form, None where missing.

    >>> texts_of(Column(2, numbers=np.array([1.0, 2.5])))
    ['1', '2.5']
    """
    texts: list[str | None] = [None] * column.size
    if column.numbers is not None:
        here = range(column.size) if column.is_number is None else np.flatnonzero(column.is_number)
        for row in here:
            texts[row] = number_text(float(str(column.numbers[row])))
    if column.codes is not None:
        for row, code in enumerate(column.codes.tolist()):
            if code >= 0:
                texts[row] = column.texts[code]
    return texts


def segment_groups(rows: PredictionRows, at: Ints, keys: Sequence[str]) -> list[tuple[str, Ints]]:
    """`key=value` and the positions of its rows, for keys of `segment` or feature names.

    A row's `segment` comes first; where that lacks the key its feature of that name counts.
    """
    groups: list[tuple[str, Ints]] = []
    for key in keys:
        found: dict[str, Ints] = {}
        left = at
        for column in (rows.segments.get(key), rows.features.get(key)):
            if column is None or not len(left):
                continue
            taken = column.take(left)
            for value, positions in _by_text(taken, left):
                already = found.get(value, at[:0])
                found[value] = np.sort(np.concatenate((already, positions)))
            left = left[taken.missing()]
        groups.extend((f"{key}={value}", positions) for value, positions in sorted(found.items()))
    return groups


def _by_code(column: Column, codes: Codes, at: Ints) -> Iterator[tuple[str, Ints]]:
    distinct = np.unique(codes[codes >= 0]).tolist()
    if len(distinct) <= FEW:
        yield from ((column.texts[code], at[codes == code]) for code in distinct)
        return
    # Looking through all rows for each of many values would take the square of their number.
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], [*distinct, distinct[-1] + 1])
    for code, first, after in zip(distinct, cuts, cuts[1:], strict=False):
        yield column.texts[code], at[order[first:after]]


def _by_text(column: Column, at: Ints) -> Iterator[tuple[str, Ints]]:
    """The distinct texts of a column, and where in `at` each stands."""
    if column.numbers is None:
        if column.codes is not None:
            yield from _by_code(column, column.codes, at)
        return
    by_value: dict[str, list[int]] = {}
    for row, text in zip(at.tolist(), texts_of(column), strict=True):
        if text is not None:
            by_value.setdefault(text, []).append(row)
    for text, positions in by_value.items():
        yield text, np.array(positions, np.int64)
