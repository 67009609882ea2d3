"""Built-in tests of a version against the one that serves beside it: the same time, other rows.

A window is compared with the older version's window of the same end, as soon as both were judged,
and once: so what adds up does not depend on whose labels come first.

Only the newer version is judged, and only against those that came before it: an old version that
is beaten by its successor is no fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

from inferwatch.events.window import ClassificationBlock
from inferwatch.settings.conditions import Comparison
from pipeline.rules.budget import Allowance, sum_limit
from pipeline.rules.cusum import Step
from pipeline.rules.detector import Case

SLACK = 1.0
MIN_ROWS = 30
WORSE = 0.02
"""Points of accuracy, or of the error rate, that somebody would mind."""
RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Apart:
    """How far a version's window is from the same window of an older one.

    Attributes:
        here, there: the shares of what was right.
        score: by how many standard errors it is lower here.
        rows: of the window here.
        start: of both windows.
    """

    version: str
    here: float
    there: float
    score: float
    rows: int
    start: int


def right_answers(case: Case) -> tuple[float, int] | None:
    """How many answers of the window were right, of how many labelled ones."""
    quality = case.result.quality
    if not isinstance(quality, ClassificationBlock) or quality.accuracy is None:
        return None
    return quality.accuracy * quality.labelled, quality.labelled


def failures(case: Case) -> tuple[float, int] | None:
    """How many requests of the window did not fail, of all."""
    latency = case.result.latency
    if latency is None or not latency.count:
        return None
    return latency.count - latency.errors, latency.count


def remember(case: Case, steps: Sequence[Step], counts: tuple[float, int] | None) -> None:
    """Keep what the window has for the versions beside it, and what it was compared with."""
    past, result = case.past, case.result
    if counts is not None:
        past.keep_window(RIGHT, (result.end, *counts))
    width = result.end - result.start
    compared = past.compared | {step.key: step.start + width for step in steps}
    # What ended before all windows that are kept is not asked for again.
    oldest = next((end for end, *_ in past.windows.get(RIGHT, ())), 0)
    past.compared = {version: end for version, end in compared.items() if end >= oldest}


def worse(case: Case, allowance: Allowance) -> list[Step]:
    """Accuracy here below accuracy there."""
    return [
        _step(found, "quality.accuracy", found.here, found.there, "<", _limit(case, allowance))
        for found in _apart(case, right_answers(case))
    ]


def failing(case: Case, allowance: Allowance) -> list[Step]:
    """More failed requests here than there."""
    metric = "latency.error_rate"
    return [
        _step(found, metric, 1 - found.here, 1 - found.there, ">", _limit(case, allowance))
        for found in _apart(case, failures(case))
    ]


def _limit(case: Case, allowance: Allowance) -> float:
    return sum_limit(SLACK, allowance.run(len(case.elders)))


def _step(
    found: Apart, metric: str, value: float, baseline: float, comparison: Comparison, limit: float
) -> Step:
    return Step(
        key=found.version,
        metric=metric,
        score=found.score,
        slack=SLACK,
        limit=limit,
        value=value,
        baseline=baseline,
        effect=found.there - found.here,
        enough=WORSE,
        rows=found.rows,
        start=found.start,
        comparison=comparison,
    )


def _apart(case: Case, counts: tuple[float, int] | None) -> Iterator[Apart]:
    """By older version, each window that both have and that was not compared yet, in order."""
    result, width = case.result, case.result.end - case.result.start
    mine = list(case.past.windows.get(RIGHT, ()))
    if counts is not None:
        mine.append((result.end, *counts))
    for version, past in sorted(case.elders.items()):
        since = case.past.compared.get(version, 0)
        theirs = {end: (right, rows or 0) for end, right, rows in past.windows.get(RIGHT, ())}
        for end, right, rows in mine:
            if end <= since or end not in theirs:
                continue
            right_there, rows_there = theirs[end]
            if rows is None or rows < MIN_ROWS or rows_there < MIN_ROWS:
                continue
            here, there = right / rows, right_there / rows_there
            # One row more of each kind: two shares of 1 are not known to be equal without error.
            pooled = (right + right_there + 1) / (rows + rows_there + 2)
            error = sqrt(pooled * (1 - pooled) * (1 / rows + 1 / rows_there))
            yield Apart(version, here, there, (there - here) / error, rows, end - width)
