"""Known bad times, and how the alerts of a replay did against them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inferwatch.errors import UsageError
from inferwatch.events.alert import Alert, Severity, Status
from pipeline.columns import Column
from pipeline.decode.column_values import as_texts
from pipeline.reference.tables import read_tables


@dataclass(frozen=True, slots=True)
class BadTime:
    """A time in which a model is known to have been bad: `start` <= t < `end`, milliseconds."""

    model: str
    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One incident of a replay.

    Attributes:
        fired_at: event time of the transition that told of it.
        ends_at: when it was over; None where it was not.
        corrected: late labels or rows have shown since that there was nothing.
    """

    incident: str
    model: str
    rule: str
    kind: str
    severity: Severity
    starts_at: int
    fired_at: int
    ends_at: int | None
    corrected: bool
    summary: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the known bad times.

    Attributes:
        found: each with the time from its start to the first alert, milliseconds.
        missed: those that no alert told of.
        false: episodes of no known bad time; of models that have none, too.
    """

    found: Sequence[tuple[BadTime, int]]
    missed: Sequence[BadTime]
    false: Sequence[Episode]


def read_bad_times(file: Path) -> list[BadTime]:
    """The bad times of a CSV or JSONL file with `model`, `start`, `end` (ms) and maybe `name`.

    Raises:
        UsageError: the file cannot be read, or lacks a column or a value.
    """
    found = []
    for columns in read_tables([file]):
        for wanted in ("model", "start", "end"):
            if wanted not in columns:
                raise UsageError(
                    f"{file}: there is no column {wanted!r}; model, start, end and name are wanted"
                )
        starts, ends = (_times(file, name, columns[name]) for name in ("start", "end"))
        models = _texts(columns["model"])
        names = _texts(columns["name"]) if "name" in columns else [""] * len(models)
        for model, start, end, name in zip(models, starts, ends, names, strict=True):
            if not model:
                raise UsageError(f"{file}: a row names no model")
            if end <= start:
                raise UsageError(f"{file}: {name or model}: its end {end} is not after {start}")
            found.append(BadTime(model, start, end, name or f"{model} at {start}"))
    return found


def episodes_of(alerts: Iterable[Alert]) -> list[Episode]:
    """The incidents that these transitions tell of, by the time they fired."""
    fired: dict[str, Alert] = {}
    last: dict[str, Alert] = {}
    for alert in alerts:
        if alert.status is Status.FIRING:
            fired.setdefault(alert.incident, alert)
        last[alert.incident] = alert
    return [
        Episode(
            incident=name,
            model=alert.model,
            rule=alert.rule,
            kind=alert.kind,
            severity=alert.severity,
            starts_at=alert.starts_at,
            fired_at=alert.updated_at,
            ends_at=last[name].ends_at,
            corrected=last[name].status is Status.CORRECTED,
            summary=alert.summary,
            cause=alert.causes[0].cause if alert.causes else None,
        )
        for name, alert in fired.items()
    ]


def score(bad_times: Sequence[BadTime], episodes: Sequence[Episode]) -> Score:
    """Hold the incidents against the known bad times.

    An incident belongs to a bad time of its model when they overlap: from when it began, or fired,
    to when it ended. What only informs nobody counts for nothing.
    """
    told = [one for one in episodes if one.severity is not Severity.INFO]
    found: list[tuple[BadTime, int]] = []
    missed: list[BadTime] = []
    right: set[str] = set()
    for bad in bad_times:
        mine = [one for one in told if one.model == bad.model and _overlaps(one, bad)]
        right |= {one.incident for one in mine}
        # An incident that was open before tells nothing of this one.
        delays = [one.fired_at - bad.start for one in mine if one.fired_at >= bad.start]
        if delays:
            found.append((bad, min(delays)))
        else:
            missed.append(bad)
    return Score(found, missed, [one for one in told if one.incident not in right])


def _overlaps(one: Episode, bad: BadTime) -> bool:
    return one.starts_at < bad.end and (one.ends_at is None or one.ends_at > bad.start)


def _texts(column: Column) -> list[str]:
    texts = as_texts(column)
    if texts.codes is None:
        return [""] * column.size
    return [texts.texts[code] if code >= 0 else "" for code in texts.codes.tolist()]


def _times(file: Path, name: str, column: Column) -> list[int]:
    numbers = np.full(column.size, np.nan)
    if column.numbers is not None:
        here = slice(None) if column.is_number is None else column.is_number
        numbers[here] = column.numbers[here]
    if not np.isfinite(numbers).all():
        raise UsageError(f"{file}: {name} is no time in milliseconds in some row")
    return [int(number) for number in numbers]
