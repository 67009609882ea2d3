"""Scores by class, where a bare number is the positive class's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inferwatch.events.fields.objects import POSITIVE
from pipeline.columns import Codes, Column, Mask


def scores_by_name(scores: Mapping[str, Column], positive: str | None) -> Mapping[str, Column]:
    """The scores with bare numbers under the name of the positive class, where that is known.

    A row that has both keeps the one by name.

    >>> bare = Column(2, numbers=np.array([0.7, 0.2]))
    >>> sorted(scores_by_name({"": bare, "legit": bare}, "fraud"))
    ['fraud', 'legit']
    """
    bare = scores.get(POSITIVE)
    if bare is None or positive is None:
        return scores
    named = scores.get(positive)
    rest = {name: column for name, column in scores.items() if name != POSITIVE}
    return {**rest, positive: bare if named is None else _filled(named, bare)}


def _filled(column: Column, other: Column) -> Column:
    """The column with the other's values where it has none."""
    lacks = column.missing()
    texts = {text: code for code, text in enumerate(column.texts)}
    renamed = [texts.setdefault(text, len(texts)) for text in other.texts]
    theirs = _codes(other)
    theirs = np.where(theirs >= 0, np.array([*renamed, -1], np.int32)[theirs], -1)
    return Column(
        column.size,
        numbers=np.where(lacks, _numbers(other), _numbers(column)),
        is_number=np.where(lacks, _is_number(other), _is_number(column)),
        codes=np.where(lacks, theirs, _codes(column)).astype(np.int32) if texts else None,
        texts=tuple(texts),
        odd=np.where(lacks, _mask(other.odd, other.size), _mask(column.odd, column.size)),
        named=_named(column) | _named(other),
    )


def _numbers(column: Column) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.zeros(column.size) if column.numbers is None else column.numbers.astype(np.float64)


def _is_number(column: Column) -> Mask:
    if column.numbers is None:
        return np.zeros(column.size, np.bool_)
    return np.ones(column.size, np.bool_) if column.is_number is None else column.is_number


def _codes(column: Column) -> Codes:
    return np.full(column.size, -1, np.int32) if column.codes is None else column.codes


def _mask(mask: Mask | None, size: int) -> Mask:
    return np.zeros(size, np.bool_) if mask is None else mask


def _named(column: Column) -> Mask:
    return np.ones(column.size, np.bool_) if column.named is None else column.named
