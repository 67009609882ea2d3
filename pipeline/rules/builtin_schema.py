"""Built-in tests of the schema: columns that break, vanish, or were never there before."""

from __future__ import annotations

from pipeline.rules.budget import Allowance
from pipeline.rules.builtin_columns import MIN_ROWS, bad_rates
from pipeline.rules.detector import Case
from pipeline.rules.usual import WARM_UP
from pipeline.rules.verdict import UNKNOWN, Finding, Verdict, finding, judged

BROKEN_RATE = 0.5
"""From here on a column is not worse but gone; and a new one is there, not a stray."""
SEEN = "rows"


def schema_break(case: Case, allowance: Allowance) -> Verdict:
    """Half of a column missing or of the wrong type, which the reference never was."""
    found = [
        (f, is_breach and f.value >= BROKEN_RATE)
        for f, is_breach in bad_rates(case, allowance)
        if f.metric.endswith((".missing_rate", ".type_mismatch_rate"))
    ]
    return judged(found)


def columns(case: Case) -> list[tuple[str, float]]:
    """The columns that half of the window's rows or more fill: what the stream's first ones had."""
    rows = case.result.rows
    if rows < MIN_ROWS:
        return []
    blocks = case.result.features or {}
    filled = [name for name, block in blocks.items() if block.count >= BROKEN_RATE * rows]
    return [(SEEN, rows), *((f"features.{name}.count", 1.0) for name in filled)]


def changed(case: Case, allowance: Allowance) -> Verdict:
    """A column that neither the reference nor the stream's first windows had, or one that left.

    Unknown during the first 30 windows of a version. What the reference has and a window lacks is
    `schema_break`'s.
    """
    known, rows = case.past.first, case.result.rows
    if len(known.get(SEEN, ())) < WARM_UP or rows < MIN_ROWS:
        return UNKNOWN
    reference = set() if case.reference is None else set(case.reference.features)
    now = {metric for metric, _ in columns(case)} - {SEEN}
    trained = {f"features.{name}.count" for name in reference}
    usual = {m for m, seen in known.items() if len(seen) >= WARM_UP // 2} - {SEEN}
    limit = BROKEN_RATE * rows
    found: list[tuple[Finding, bool]] = []
    for metric in sorted(now - trained - set(known)):
        found.append((finding(metric, rows, ">", limit, rows=rows, baseline=0.0), True))
    for metric in sorted(usual - trained - now):
        name = metric.removesuffix(".count")
        gone = finding(f"{name}.missing_rate", 1.0, ">", BROKEN_RATE, rows=rows, baseline=0.0)
        found.append((gone, True))
    return judged(found or [(finding("rows", rows, "<", 0.0, rows=rows), False)])
