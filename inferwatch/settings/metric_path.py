"""Metric paths: the dotted names by which rules and evidence speak of a number.

A path names a value of a window result as it stands there (`latency.p99_ms`), except for the
rates derived from its counts (`features.amount.missing_rate`, over the window's rows). A `*` may
stand for, or in, the name of a feature, score, class or resource.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields

from inferwatch.events.window import (
    CategoricalBlock,
    ClassificationBlock,
    ClassQuality,
    EstimatedBlock,
    LatencyBlock,
    NumericBlock,
    RegressionBlock,
    ResourceBlock,
)

DERIVED_RATES = {
    "missing_rate": "missing",
    "non_finite_rate": "non_finite",
    "type_mismatch_rate": "type_mismatch",
    "out_of_range_rate": "out_of_range",
    "unseen_rate": "unseen",
    "over_limit_rate": "over_limit",
}
"""Rate of a column -> the count it is made of; each is over all rows of the window."""

COUNTERS = ("rows", "completeness", "late", "duplicates", "lost")
"""Metrics of the window itself, without a block."""


def _numbers(*records: type) -> frozenset[str]:
    names = {f.name for record in records for f in fields(record)}
    unread = {"type", "top", "confusion", "per_class", "reason", "slow", "deviation"}
    return frozenset(names - unread)


_COLUMN = _numbers(NumericBlock, CategoricalBlock) | DERIVED_RATES.keys()
_PLAIN = {
    "latency": _numbers(LatencyBlock),
    "quality": _numbers(ClassificationBlock, RegressionBlock),
    "estimated": _numbers(EstimatedBlock),
    "prediction": _COLUMN,
}
_NAMED = {
    "features": _COLUMN - {"entropy", "collapsed"},
    "scores": _COLUMN - {"entropy", "collapsed"},
    "resources": _numbers(ResourceBlock),
}


@dataclass(frozen=True, slots=True)
class MetricPath:
    """A checked metric path.

    Attributes:
        text: as written.
        block: `latency`, `features` …; a counter of the window (`rows`) has the empty block.
        name: the column, class or resource, maybe with `*`; None where the block has none.
        key: the value's own name, `p99_ms`, `psi`.
    """

    text: str
    block: str
    name: str | None
    key: str


def parse_metric(text: str) -> MetricPath:
    """Read a metric path; the name of a feature may itself hold dots.

    >>> parse_metric("features.user.age.psi")
    MetricPath(text='features.user.age.psi', block='features', name='user.age', key='psi')

    Raises:
        ValueError: no such metric; the message says what is allowed in its place.
    """
    block, _, rest = text.partition(".")
    if text in COUNTERS:
        return MetricPath(text, "", None, text)
    if block in _PLAIN:
        if block == "quality" and rest.startswith("per_class."):
            return _named(text, "quality.per_class", rest[10:], _numbers(ClassQuality))
        _check(text, rest, _PLAIN[block], f"{block}.")
        return MetricPath(text, block, None, rest)
    if block in _NAMED:
        return _named(text, block, rest, _NAMED[block])
    allowed = sorted([*COUNTERS, *_PLAIN, *_NAMED])
    raise ValueError(
        f"{text!r} is no metric: it begins with one of {', '.join(allowed)}{_near(block, allowed)}"
    )


def _named(text: str, block: str, rest: str, keys: frozenset[str]) -> MetricPath:
    name, _, key = rest.rpartition(".")
    if not name:
        raise ValueError(f"{text!r} is no metric: it reads {block}.NAME.KEY, NAME may be *")
    _check(text, key, keys, f"{block}.{name}.")
    return MetricPath(text, block, name, key)


def _check(text: str, key: str, allowed: frozenset[str], before: str) -> None:
    if key not in allowed:
        choices = sorted(allowed)
        raise ValueError(
            f"{text!r} is no metric: after {before!r} comes one of "
            f"{', '.join(choices)}{_near(key, choices)}"
        )


def _near(word: str, choices: list[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
