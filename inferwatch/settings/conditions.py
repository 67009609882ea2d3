"""When a rule fires: the texts of `when` and `baseline`, read once into frozen records."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic.dataclasses import dataclass

from inferwatch.settings.types import format_duration, parse_duration

Operator = Literal["<", "<=", ">", ">=", "drop", "rise", "ratio", "unusual"]
Comparison = Literal["<", "<=", ">", ">="]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_WHEN = re.compile(rf"(?:(drop|rise|ratio)\s*)?(<=|>=|<|>)\s*({_NUMBER})\s*(%)?")
_ALLOWED = (
    '"< 0.80", "<= 0.80", "> 250", ">= 250", "drop > 0.05", "drop > 10%", "rise > 0.05", '
    '"rise > 10%", "ratio > 2", "ratio < 0.5", "unusual"'
)


@dataclass(frozen=True)
class Condition:
    """What must hold of a metric for its rule to breach.

    Attributes:
        text: as the config writes it.
        operator: a comparison with a number; `drop`, `rise` or `ratio` against a baseline;
            `unusual` against the model's own past.
        comparison: how value (or its change) and limit are compared.
        limit: the number; a fraction where it was written in per cent.
        relative: the limit of a drop or rise is a fraction of the baseline.
    """

    text: str
    operator: Operator
    comparison: Comparison = ">"
    limit: float = 0.0
    relative: bool = False

    @property
    def needs_baseline(self) -> bool:
        """Whether the condition says nothing without something to compare with."""
        return self.operator in ("drop", "rise", "ratio")


def parse_condition(value: Any) -> Condition:
    """Read a `when`.

    >>> parse_condition("drop > 10%")
    Condition(text='drop > 10%', operator='drop', comparison='>', limit=0.1, relative=True)

    Raises:
        ValueError: another text; the message lists what is allowed.
    """
    if isinstance(value, Condition):
        return value
    text = str(value).strip()
    if text == "unusual":
        return Condition(text, "unusual")
    match = _WHEN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no condition; allowed are {_ALLOWED}")
    change, comparison, number, percent = match.groups()
    limit = float(number)
    if change is None:
        if percent:
            raise ValueError(f"{text!r}: rates are fractions, write {comparison} {limit / 100:g}")
        return Condition(text, _comparison(comparison), _comparison(comparison), limit)
    if change != "ratio" and comparison in ("<", "<="):
        raise ValueError(f'{text!r}: a {change} is compared with >, as in "{change} > 0.05"')
    if change == "ratio" and percent:
        raise ValueError(f"{text!r}: a ratio is a plain number, write {limit / 100:g}")
    if limit < 0:
        raise ValueError(f"{text!r}: the size of a {change} is not below 0")
    operator: Operator = "drop" if change == "drop" else "rise" if change == "rise" else "ratio"
    limit = limit / 100 if percent else limit
    return Condition(text, operator, _comparison(comparison), limit, bool(percent))


def _comparison(text: str) -> Comparison:
    for known in ("<", "<=", ">", ">="):
        if text == known:
            return known
    raise ValueError(text)


@dataclass(frozen=True)
class Baseline:
    """What a drop, rise or ratio is measured against.

    Attributes:
        kind: the reference profile, the window before, the mean over `span`, or a version.
        span: milliseconds of event time, for `rolling`.
        version: for `version`.
    """

    text: str
    kind: Literal["reference", "previous", "rolling", "version"]
    span: int = 0
    version: str = ""


def parse_baseline(value: Any) -> Baseline:
    """Read a `baseline`.

    >>> parse_baseline("rolling:1d").span
    86400000

    Raises:
        ValueError: another text; the message lists what is allowed.
    """
    if isinstance(value, Baseline):
        return value
    text = str(value).strip()
    kind, colon, rest = text.partition(":")
    if text in ("reference", "previous"):
        return Baseline(text, "reference" if text == "reference" else "previous")
    if kind == "version" and rest:
        return Baseline(text, "version", version=rest)
    if kind == "rolling" and colon:
        span = parse_duration(rest)
        if span <= 0:
            raise ValueError(f"{text!r}: the span of a rolling baseline is longer than 0")
        return Baseline(text, "rolling", span=span)
    raise ValueError(
        f"{text!r} is no baseline; allowed are reference, previous, rolling:1d, version:V"
    )


When = Annotated[
    Condition,
    BeforeValidator(parse_condition),
    PlainSerializer(lambda c: c.text, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["< 0.80", "drop > 10%", "unusual"]}),
]
Against = Annotated[
    Baseline,
    BeforeValidator(parse_baseline),
    PlainSerializer(
        lambda b: f"rolling:{format_duration(b.span)}" if b.span else b.text, when_used="json"
    ),
    WithJsonSchema({"type": "string", "examples": ["reference", "rolling:1d", "version:7"]}),
]
