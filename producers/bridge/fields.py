"""Columns of foreign values to checked ones, by the contract's rules for single fields.

Nearly always a whole column is of the right types, which one pass in C shows (15 ns a value);
only where it is not is each value looked at, and a wrong one rejects its row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.answers import label_text, prediction_value
from inferwatch.events.fields.ids import event_id
from inferwatch.events.fields.measures import optional_measure, required_measure
from inferwatch.events.fields.names import model_name, version_name
from inferwatch.events.fields.objects import named_values, scores_by_class
from inferwatch.events.fields.timestamps import EARLIEST, event_time

T = TypeVar("T")
Column = Sequence[Any]

_TEXT = {str}
_TEXT_OR_NONE = {str, type(None)}
_WHOLE = {int}
_NUMBERS = {int, float}
_NUMBERS_OR_NONE = {int, float, type(None)}
_ANSWERS = {str, int, float}
_OBJECT = {dict}
_NOTHING = {type(None)}
_LONGEST_ERROR = 200


class Faults:
    """By row, the first thing that was found wrong with it."""

    def __init__(self) -> None:
        """No row is wrong yet."""
        self.by_row: dict[int, RejectedEventError] = {}

    def check(self, values: Column, check: Callable[[Any], T], otherwise: T) -> list[T]:
        """Check each value; a rejected one is noted and replaced.

        >>> faults = Faults()
        >>> faults.check(["fraud", None], model_name, ""), faults.by_row[1].reason
        (['fraud', ''], 'no_model')
        """
        checked = []
        for row, value in enumerate(values):
            try:
                checked.append(check(value))
            except RejectedEventError as error:
                self.by_row.setdefault(row, error)
                checked.append(otherwise)
        return checked


def models(values: Column, faults: Faults) -> Column:
    """Names of models."""
    if _types(values) == _TEXT and "" not in values:
        return values
    return faults.check(values, model_name, "")


def versions(values: Column, faults: Faults) -> Column:
    """Names of versions, `unversioned` where there is none."""
    return values if _types(values) == _TEXT else faults.check(values, version_name, "")


def times(values: Column, stamps: Sequence[int], future: int, faults: Faults) -> Column:
    """Milliseconds since the epoch, none more than `future` beyond its record's own time."""
    if _types(values) == _WHOLE and min(values) >= EARLIEST and max(values) <= min(stamps) + future:
        return values
    return faults.check(
        list(zip(values, stamps, strict=True)),
        lambda pair: event_time(pair[0], pair[1] + future),
        0,
    )


def ids(values: Column, exactly: Callable[[int], object], faults: Faults) -> Column:
    """Ids as texts, None where there is none.

    Args:
        values: as parsed.
        exactly: the id of a row with all its digits: the fast parser makes a double of a whole
            number beyond 64 bits.
        faults: where wrong ones are noted.
    """
    types = _types(values)
    if types <= _TEXT_OR_NONE:
        return values
    if float in types:
        values = [exactly(i) if type(v) is float else v for i, v in enumerate(values)]
    return faults.check(values, event_id, None)


def required_ids(values: Column, exactly: Callable[[int], object], faults: Faults) -> Column:
    """Ids that must be there."""
    found = ids(values, exactly, faults)
    return faults.check(found, _required, "") if None in found else found


def answers(values: Column, faults: Faults) -> Column:
    """Predictions: numbers and texts, booleans as texts."""
    return values if _types(values) <= _ANSWERS else faults.check(values, prediction_value, "")


def label_texts(values: Column, faults: Faults) -> Column:
    """Labels as canonical texts, so that no digit of a number is lost."""
    return values if _types(values) == _TEXT else faults.check(values, label_text, "")


def objects(where: str, values: Column, faults: Faults) -> Column:
    """Features or segments by name."""
    types = _types(values)
    if types == _OBJECT:
        return values
    if types == _NOTHING:
        return [{}] * len(values)
    return faults.check(values, lambda value: named_values(where, value), {})


def scores(values: Column, faults: Faults) -> Column:
    """Scores by class; a bare number stands under the empty name."""
    types = _types(values)
    if types == _OBJECT:
        return values
    if types == _NOTHING:
        return [{}] * len(values)
    return faults.check(values, scores_by_class, {})


def measures(where: str, values: Column, faults: Faults) -> Column:
    """Numbers that must be there, finite and not below 0."""
    if _types(values) <= _NUMBERS and min(values) >= 0 and _all_finite(values):
        return values
    return faults.check(values, lambda value: required_measure(where, value), 0.0)


def optional_measures(values: Column) -> Column:
    """Numbers; None where there is none that counts."""
    if _types(values) <= _NUMBERS_OR_NONE:
        return values  # the reader knows which numbers count
    found = map(optional_measure, values)
    return [None if math.isnan(number) else number for number in found]


def error_texts(values: Column) -> Column:
    """What went wrong, None where nothing did: whatever is not null counts as an error."""
    if _types(values) <= _TEXT_OR_NONE:
        return values
    return [None if value is None else str(value)[:_LONGEST_ERROR] for value in values]


def _types(values: Any) -> set[type]:
    return set(map(type, values))


def _required(value: str | None) -> str:
    if value is None:
        raise RejectedEventError("malformed", "id", "a label without an id joins nothing")
    return value


def _all_finite(values: Column) -> bool:
    try:
        return math.isfinite(sum(values))
    except OverflowError:
        return False
