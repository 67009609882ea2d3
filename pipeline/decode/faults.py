"""The rows of a batch that cannot be counted, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from inferwatch.errors import RejectedEventError
from pipeline.columns import Ints

T = TypeVar("T")


class Faults:
    """By row, the first thing that was found wrong with it."""

    def __init__(self) -> None:
        """No row is wrong yet."""
        self.by_row: dict[int, RejectedEventError] = {}

    def check(
        self, values: Iterable[object], check: Callable[[object], T], otherwise: T
    ) -> list[T]:
        """Check each value; a rejected one is noted and replaced.

        >>> from inferwatch.events.fields.names import model_name
        >>> faults = Faults()
        >>> faults.check(["fraud", None], model_name, "")
        ['fraud', '']
        >>> faults.by_row[1].reason
        'no_model'
        """
        checked = []
        for row, value in enumerate(values):
            try:
                checked.append(check(value))
            except RejectedEventError as error:
                self.by_row.setdefault(row, error)
                checked.append(otherwise)
        return checked

    def check_row(self, row: int, value: object, check: Callable[[object], object]) -> None:
        """Check one value of one row."""
        try:
            check(value)
        except RejectedEventError as error:
            self.by_row.setdefault(row, error)

    def good(self, size: int) -> Ints:
        """The rows without a fault."""
        mask = np.ones(size, np.bool_)
        mask[list(self.by_row)] = False
        return np.flatnonzero(mask)
