"""Built-in tests of the values in columns: bad ones, and an output that is one value only."""

from __future__ import annotations

from collections.abc import Iterator

from inferwatch.events.window import CategoricalBlock, FeatureBlock
from pipeline.rules.baselines import entropy_bits
from pipeline.rules.budget import Allowance
from pipeline.rules.detector import Case
from pipeline.rules.significance import count_limit
from pipeline.rules.verdict import UNKNOWN, Finding, Verdict, finding, judged

MIN_ROWS = 50
BAD_RATE = 0.005
"""Bad values that matter, as a share of the window's rows beyond what chance brings."""
MIN_BAD = 5
ONE_CLASS = 0.99

BAD_COUNTS = ("missing", "non_finite", "type_mismatch", "unseen", "out_of_range")


def bad_values(case: Case, allowance: Allowance) -> Verdict:
    """Missing, mismatched, unseen or impossible values, more than the reference has."""
    return judged(list(bad_rates(case, allowance)))


def collapse(case: Case, allowance: Allowance) -> Verdict:
    """The output says one thing only, which the reference's did not.

    The window's own verdict where it has one; else a fifth of the reference's entropy.
    """
    block = case.result.prediction
    column = None if case.reference is None else case.reference.prediction
    if block is None or block.count < MIN_ROWS:
        return UNKNOWN
    usual = None if column is None else entropy_bits(column)
    value = _entropy(block)
    if value is None or usual is None or usual < 0.1:
        return UNKNOWN
    limit = 0.2 * usual
    found = finding("prediction.entropy", value, "<", limit, rows=block.count, baseline=usual)
    breached = value < limit or _is_constant(block) if block.collapsed is None else block.collapsed
    return judged([(found, breached)])


def _entropy(block: FeatureBlock) -> float | None:
    if block.entropy is not None:
        return block.entropy
    return 0.0 if _is_constant(block) else None


def _is_constant(block: FeatureBlock) -> bool:
    if isinstance(block, CategoricalBlock):
        return bool(block.top) and block.top[0][1] >= ONE_CLASS
    return block.std == 0


def bad_rates(case: Case, allowance: Allowance) -> Iterator[tuple[Finding, bool]]:
    """Each rate of bad values, and whether it is more than the reference and chance explain."""
    rows = case.result.rows
    if case.reference is None or rows < MIN_ROWS:
        return
    blocks = case.result.features or {}
    far = allowance.far(len(BAD_COUNTS) * len(blocks))
    for name, block in blocks.items():
        column = case.reference.features.get(name)
        if column is None or column.rows == 0:
            continue
        for key in BAD_COUNTS:
            count = getattr(block, key, None)
            if count is None:
                continue
            before = column.missing if key == "missing" else 0
            limit = count_limit(rows, before, column.rows, far) / rows + BAD_RATE
            # A wider range than the reference's is natural: only many such values are a fault.
            limit = max(limit, 0.05) if key == "out_of_range" else limit
            found = finding(
                f"features.{name}.{key}_rate",
                count / rows,
                ">",
                limit,
                rows=rows,
                baseline=before / column.rows,
            )
            yield found, count >= MIN_BAD and count / rows > limit
