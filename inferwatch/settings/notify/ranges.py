"""Ranges of days, months and years, as Alertmanager's time intervals write them: `monday:friday`.

A range is a pair of inclusive ends; one value alone is the range of itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from inferwatch.settings.types import scalar_text

Range = tuple[int, int]

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july",
    "august", "september", "october", "november", "december",
)  # fmt: skip
# The shortest month decides which ranges are wrong in every month.
_SHORTEST_MONTH = 28


def _ends(value: Any, wanted: str) -> tuple[str, str]:
    text = scalar_text(value, wanted).strip()
    begin, colon, end = text.partition(":")
    return begin.strip(), (end if colon else begin).strip()


def _named(text: str, names: Sequence[str], first: int, wanted: str) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + first
    raise ValueError(f"{text!r} is no {wanted}; allowed are {', '.join(names)}")


def _number(text: str, low: int, high: int, wanted: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ValueError(f"{text!r} is no {wanted}; allowed is {low} to {high}")
    return int(text)


def _in_order(begin: int, end: int, text: Any) -> Range:
    if begin > end:
        raise ValueError(f"{str(text)!r} ends before it begins")
    return begin, end


def parse_weekdays(value: Any) -> Range:
    """`monday:friday`, `saturday`; Sunday is 0.

    >>> parse_weekdays("monday:Friday")
    (1, 5)
    """
    if isinstance(value, tuple):
        return value
    begin, end = (_named(t, WEEKDAYS, 0, "weekday") for t in _ends(value, "a weekday"))
    return _in_order(begin, end, value)


def parse_months(value: Any) -> Range:
    """`may:august`, `december`, `1:3`.

    >>> parse_months("may:8")
    (5, 8)
    """
    if isinstance(value, tuple):
        return value
    begin, end = (
        _number(t, 1, 12, "month")
        if re.fullmatch(r"-?[0-9]+", t)
        else _named(t, MONTHS, 1, "month")
        for t in _ends(value, "a month")
    )
    return _in_order(begin, end, value)


def parse_years(value: Any) -> Range:
    """`2025:2027`, `2025`.

    >>> parse_years("2025:2027")
    (2025, 2027)
    """
    if isinstance(value, tuple):
        return value
    begin, end = (_number(t, 1, 9999, "year") for t in _ends(value, "a year"))
    return _in_order(begin, end, value)


def parse_days_of_month(value: Any) -> Range:
    """`1:5`, `-1` (the last day), `-3:-1`; a range from the front may end at the back.

    >>> parse_days_of_month("1:-1")
    (1, -1)
    """
    if isinstance(value, tuple):
        return value
    begin, end = (_number(t, -31, 31, "day of the month") for t in _ends(value, "a day"))
    if 0 in (begin, end):
        raise ValueError(f"{str(value)!r}: there is no day 0; allowed are 1 to 31 and -31 to -1")
    if begin < 0 < end:
        raise ValueError(f"{str(value)!r}: a range that begins at the back also ends there")
    front = [day + _SHORTEST_MONTH if day < 0 else day for day in (begin, end)]
    if front[0] > front[1]:
        raise ValueError(f"{str(value)!r} ends before it begins, in every month")
    return begin, end


def _range_text(names: Mapping[int, str] | None = None) -> PlainSerializer:
    def write(ends: Range) -> str:
        return ":".join(names[e] if names else str(e) for e in ends)

    return PlainSerializer(write, return_type=str, when_used="json")


_SCHEMA = WithJsonSchema({"type": ["string", "integer"]})
Weekdays = Annotated[
    Range, BeforeValidator(parse_weekdays), _range_text(dict(enumerate(WEEKDAYS))), _SCHEMA
]
Months = Annotated[
    Range, BeforeValidator(parse_months), _range_text(dict(enumerate(MONTHS, 1))), _SCHEMA
]
Years = Annotated[Range, BeforeValidator(parse_years), _range_text(), _SCHEMA]
DaysOfMonth = Annotated[Range, BeforeValidator(parse_days_of_month), _range_text(), _SCHEMA]
