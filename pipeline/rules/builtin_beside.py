"""Built-in tests of a version against the one that serves beside it: the same time, other rows.

Only the newer version is judged, and only against those that came before it: an old version that
is beaten by its successor is no fault.
"""

from __future__ import annotations

from math import sqrt

from inferwatch.events.window import ClassificationBlock
from pipeline.rules.budget import Allowance, sum_limit
from pipeline.rules.cusum import Step
from pipeline.rules.detector import Case

SLACK = 1.0
MIN_ROWS = 30
WORSE = 0.02
"""Points of accuracy, or of the error rate, that somebody would mind."""
RIGHT, OF = "right", "of"


def right_answers(case: Case) -> list[tuple[str, float]]:
    """How many answers of the window were right, of how many labelled ones."""
    quality = case.result.quality
    if not isinstance(quality, ClassificationBlock) or quality.accuracy is None:
        return []
    return [(RIGHT, quality.accuracy * quality.labelled), (OF, quality.labelled)]


def failures(case: Case) -> list[tuple[str, float]]:
    """How many requests of the window did not fail, of all."""
    latency = case.result.latency
    if latency is None or not latency.count:
        return []
    return [(RIGHT, latency.count - latency.errors), (OF, latency.count)]


def worse(case: Case, allowance: Allowance) -> list[Step]:
    """Accuracy here below accuracy there."""
    steps = []
    for version, here, there, score, rows in _apart(case, dict(right_answers(case))):
        steps.append(
            Step(
                key=version,
                metric="quality.accuracy",
                score=score,
                slack=SLACK,
                limit=sum_limit(SLACK, allowance.run(len(case.elders))),
                value=here,
                baseline=there,
                effect=there - here,
                enough=WORSE,
                rows=rows,
                start=case.result.start,
                comparison="<",
            )
        )
    return steps


def failing(case: Case, allowance: Allowance) -> list[Step]:
    """More failed requests here than there."""
    steps = []
    for version, here, there, score, rows in _apart(case, dict(failures(case))):
        steps.append(
            Step(
                key=version,
                metric="latency.error_rate",
                score=score,
                slack=SLACK,
                limit=sum_limit(SLACK, allowance.run(len(case.elders))),
                value=1 - here,
                baseline=1 - there,
                effect=there - here,
                enough=WORSE,
                rows=rows,
                start=case.result.start,
            )
        )
    return steps


def _apart(case: Case, mine: dict[str, float]) -> list[tuple[str, float, float, float, int]]:
    """By older version: the share here, the share there, by how many errors it is lower here."""
    found = []
    for version, past in sorted(case.elders.items()):
        theirs = past.previous
        rows, rows_there = mine.get(OF, 0.0), theirs.get(OF, 0.0)
        if rows < MIN_ROWS or rows_there < MIN_ROWS:
            continue
        here, there = mine[RIGHT] / rows, theirs[RIGHT] / rows_there
        # One row more of each kind: two shares of 1 are not known to be equal without error.
        pooled = (mine[RIGHT] + theirs[RIGHT] + 1) / (rows + rows_there + 2)
        error = sqrt(pooled * (1 - pooled) * (1 / rows + 1 / rows_there))
        found.append((version, here, there, (there - here) / error, int(rows)))
    return found
