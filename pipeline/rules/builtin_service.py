"""Built-in tests of the service around the model: errors, latency, lost rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.rules.budget import Allowance
from pipeline.rules.detector import Case
from pipeline.rules.significance import rate_at_least
from pipeline.rules.usual import usual_range
from pipeline.rules.verdict import UNKNOWN, Verdict, finding, judged

P95 = "latency.p95_ms"
MIN_REQUESTS = 20
ERROR_RATE = 0.05
GROSS_ERROR_RATE = 0.25
SLOW_RATIO = 2.0
SLOW_FLOOR_MS = 5.0
"""A latency that doubles from 1 ms to 2 ms wakes nobody."""
CREEP_RATIO = 1.4
"""Of the first hours': what a person would call slower, if it lasts."""
COMPLETE = 0.95


def errors(case: Case, allowance: Allowance) -> Verdict:
    """More than 5 % of the requests fail, even at the lower end of the 95 % interval."""
    latency = case.result.latency
    if latency is None or latency.count < MIN_REQUESTS:
        return UNKNOWN
    rate = latency.errors / latency.count
    low = rate_at_least(latency.errors, latency.count)
    found = finding("latency.error_rate", rate, ">", ERROR_RATE, rows=latency.count)
    return judged([(found, low > ERROR_RATE)], urgent=low > GROSS_ERROR_RATE)


def latency_levels(case: Case) -> list[tuple[str, float]]:
    """The latencies of a window that are worth remembering."""
    known = _p95(case)
    return [] if known is None else [(P95, known[0])]


def slow(case: Case, allowance: Allowance) -> Verdict:
    """p95 at twice its usual level, and beyond the range that it usually keeps to.

    Unknown during the first 30 windows of a version: nothing is usual yet.
    """
    return _slower(case, case.past.values.get(P95, ()), SLOW_RATIO, urgent=5)


def creep(case: Case, allowance: Allowance) -> Verdict:
    """p95 above its level in the first hours of the version by 40 %, for ten windows.

    What creeps up becomes usual, so the last hours can't tell it. Unknown during the first 30
    windows of a version.
    """
    return _slower(case, case.past.first.get(P95, ()), CREEP_RATIO)


def _slower(
    case: Case, past: Sequence[float], ratio: float, *, urgent: float = math.inf
) -> Verdict:
    """p95 above this multiple of its past; urgent beyond so many times the limit."""
    known, usual = _p95(case), usual_range(past)
    if known is None or usual is None:
        return UNKNOWN
    (p95, rows), (middle, _, high) = known, usual
    limit = max(ratio * middle, high, middle + SLOW_FLOOR_MS)
    found = finding(P95, p95, ">", limit, rows=rows, baseline=middle)
    return judged([(found, p95 > limit)], urgent=p95 > urgent * limit)


def _p95(case: Case) -> tuple[float, int] | None:
    """p95 and the requests behind it, where they are enough to tell it."""
    latency = case.result.latency
    if latency is None or latency.count < MIN_REQUESTS or latency.p95_ms is None:
        return None
    return latency.p95_ms, latency.count


def incomplete(case: Case, allowance: Allowance) -> Verdict:
    """More than 5 % of the window's rows are known to be lost."""
    result = case.result
    if result.completeness is None or result.rows + result.lost < MIN_REQUESTS:
        return UNKNOWN
    found = finding(
        "completeness", result.completeness, "<", COMPLETE, rows=result.rows, baseline=1.0
    )
    return judged([(found, result.completeness < COMPLETE)], urgent=result.completeness < 0.5)
