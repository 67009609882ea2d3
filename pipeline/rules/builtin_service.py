"""Built-in tests of the service around the model: errors, latency, lost rows."""

from __future__ import annotations

from pipeline.rules.budget import Allowance
from pipeline.rules.detector import Case
from pipeline.rules.significance import rate_at_least
from pipeline.rules.usual import usual_range
from pipeline.rules.verdict import UNKNOWN, Verdict, finding, judged

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
    latency = case.result.latency
    if latency is None or latency.count < MIN_REQUESTS or latency.p95_ms is None:
        return []
    return [("latency.p95_ms", latency.p95_ms)]


def slow(case: Case, allowance: Allowance) -> Verdict:
    """p95 at twice its usual level, and beyond the range that it usually keeps to.

    Unknown during the first 30 windows of a version: nothing is usual yet.
    """
    latency = case.result.latency
    if latency is None or latency.count < MIN_REQUESTS or latency.p95_ms is None:
        return UNKNOWN
    usual = usual_range(case.past.values.get("latency.p95_ms", ()))
    if usual is None:
        return UNKNOWN
    middle, _, high = usual
    limit = max(SLOW_RATIO * middle, high, middle + SLOW_FLOOR_MS)
    found = finding(
        "latency.p95_ms", latency.p95_ms, ">", limit, rows=latency.count, baseline=middle
    )
    return judged([(found, latency.p95_ms > limit)], urgent=latency.p95_ms > 5 * limit)


def creep(case: Case, allowance: Allowance) -> Verdict:
    """p95 above its level in the first hours of the version by 40 %, for ten windows.

    What creeps up becomes usual, so the last hours can't tell it. Unknown during the first 30
    windows of a version.
    """
    latency = case.result.latency
    if latency is None or latency.count < MIN_REQUESTS or latency.p95_ms is None:
        return UNKNOWN
    first = usual_range(case.past.first.get("latency.p95_ms", ()))
    if first is None:
        return UNKNOWN
    middle, _, high = first
    limit = max(CREEP_RATIO * middle, high, middle + SLOW_FLOOR_MS)
    found = finding(
        "latency.p95_ms", latency.p95_ms, ">", limit, rows=latency.count, baseline=middle
    )
    return judged([(found, latency.p95_ms > limit)])


def incomplete(case: Case, allowance: Allowance) -> Verdict:
    """More than 5 % of the window's rows are known to be lost."""
    result = case.result
    if result.completeness is None or result.rows + result.lost < MIN_REQUESTS:
        return UNKNOWN
    found = finding(
        "completeness", result.completeness, "<", COMPLETE, rows=result.rows, baseline=1.0
    )
    return judged([(found, result.completeness < COMPLETE)], urgent=result.completeness < 0.5)
