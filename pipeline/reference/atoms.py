"""A column's sorted values put together to at most some 65,000 small groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ATOMS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """Groups of neighbouring distinct values: first value, last value and rows of each.

    A value of 1/65,536 of the rows or more is a group of its own; every other group holds less
    than twice that. Every group that reaches one of the wanted ranks ends with the value of that
    rank. With up to 65,536 rows each distinct value is a group.
    """

    first: Floats
    last: Floats
    rows: Ints

    def value_at(self, rank: int) -> float:
        """The value of a wanted rank, counted from 1."""
        return float(self.last[int(np.cumsum(self.rows).searchsorted(rank))])


def condense(
    distinct: Iterable[tuple[Floats, Ints]], total: int, ranks: Sequence[int], atoms: int = ATOMS
) -> Atoms:
    """Group the distinct values of a column in one pass.

    Args:
        distinct: values in rising order and their counts, in parts.
        total: the number of rows.
        ranks: where a group must end.
        atoms: how many groups to aim for.

    >>> parts = [(np.array([1.0, 2.0]), np.array([1, 8])), (np.array([3.0]), np.array([1]))]
    >>> condense(parts, 10, [5]).value_at(5)
    2.0
    """
    step = max(1, total // atoms)
    wanted = np.unique(np.array(ranks, np.int64))
    first: list[Floats] = []
    last: list[Floats] = []
    rows: list[Ints] = []
    before = 0
    for values, counts in distinct:
        upto = before + np.cumsum(counts)
        start = upto - counts
        heavy = counts >= step
        # A value begins a group when it or the one before is heavy, when a step was crossed, or
        # when the one before reached a wanted rank.
        begins = np.ones(len(values), np.bool_)
        begins[1:] = (
            heavy[1:]
            | heavy[:-1]
            | (start[1:] // step != start[:-1] // step)
            | (wanted.searchsorted(upto[:-1], "right") != wanted.searchsorted(start[:-1], "right"))
        )
        places = np.flatnonzero(begins)
        first.append(values[places])
        last.append(values[np.append(places[1:], len(values)) - 1])
        rows.append(np.add.reduceat(counts, places))
        before = int(upto[-1])
    return Atoms(np.concatenate(first), np.concatenate(last), np.concatenate(rows))
