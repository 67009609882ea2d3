"""Segments: the rows of a batch by the value of a key, each key by itself (no cross product)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inferwatch.events.canonical import number_text
from pipeline.columns import Column, Ints, PredictionRows


def texts_of(column: Column) -> list[str | None]:
    """The text of each row: numbers in their shortest form, None where missing.

    >>> texts_of(Column(2, numbers=np.array([1.0, 2.5])))
    ['1', '2.5']
    """
    texts: list[str | None] = [None] * column.size
    if column.numbers is not None:
        here = range(column.size) if column.is_number is None else np.flatnonzero(column.is_number)
        for row in here:
            texts[row] = number_text(float(column.numbers[row]))
    if column.codes is not None:
        for row, code in enumerate(column.codes.tolist()):
            if code >= 0:
                texts[row] = column.texts[code]
    return texts


def segment_groups(rows: PredictionRows, at: Ints, keys: Sequence[str]) -> list[tuple[str, Ints]]:
    """`key=value` and the positions of its rows, for keys of `segment` or feature names."""
    groups: list[tuple[str, Ints]] = []
    for key in keys:
        column = rows.segments.get(key) or rows.features.get(key)
        if column is None:
            continue
        taken = column.take(at)
        if taken.numbers is None and taken.codes is not None:
            for code in np.unique(taken.codes[taken.codes >= 0]).tolist():
                groups.append((f"{key}={taken.texts[code]}", at[taken.codes == code]))
            continue
        by_value: dict[str, list[int]] = {}
        for row, text in zip(at.tolist(), texts_of(taken), strict=True):
            if text is not None:
                by_value.setdefault(text, []).append(row)
        groups.extend((f"{key}={v}", np.array(p, np.int64)) for v, p in sorted(by_value.items()))
    return groups
