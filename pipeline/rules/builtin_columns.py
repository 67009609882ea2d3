"""Built-in tests of inputs and outputs against the reference, column by column."""

from __future__ import annotations

from collections.abc import Iterator

from inferwatch.events.reference import CategoricalReference, ColumnReference, NumericReference
from inferwatch.events.window import CategoricalBlock, FeatureBlock, NumericBlock
from pipeline.rules.baselines import entropy_bits
from pipeline.rules.detector import Case
from pipeline.rules.significance import count_limit, ks_noise, psi_noise
from pipeline.rules.verdict import UNKNOWN, Finding, Verdict, finding, judged

MIN_ROWS = 50
KS_EFFECT = 0.10
PSI_EFFECT = 0.10
GROSS_KS = 0.35
GROSS_PSI = 1.0
BAD_RATE = 0.005
"""Bad values that matter, as a share of the window's rows beyond what chance brings."""
MIN_BAD = 5
BROKEN_RATE = 0.5
"""From here on a column is not worse but gone."""
ONE_CLASS = 0.99

BAD_COUNTS = ("missing", "non_finite", "type_mismatch", "unseen", "out_of_range")


def drifted(block: FeatureBlock, column: ColumnReference) -> tuple[Finding, bool] | None:
    """Whether a column differs from the reference: significantly, and by enough to matter.

    The finding's metric is the bare key (`ks`, `psi`). None when there is nothing to judge.
    """
    if block.count < MIN_ROWS or column.rows == 0:
        return None
    # Every test that the block's own verdict rests on came out clear.
    clear = block.drift is False
    if isinstance(block, NumericBlock) and isinstance(column, NumericReference):
        if block.ks is None:
            return None
        limit = max(KS_EFFECT, ks_noise(block.count, column.rows, column.chunk_phi) + 0.03)
        return _beyond("ks", block.ks, limit, block.count, clear=clear)
    if isinstance(block, CategoricalBlock) and isinstance(column, CategoricalReference):
        if block.psi is None:
            return None
        bins = len(column.shares) + 1
        noise = psi_noise(bins, block.count, column.rows, column.chunk_phi)
        return _beyond("psi", block.psi, PSI_EFFECT + noise, block.count, clear=clear)
    return None


def input_drift(case: Case) -> Verdict:
    """Features that drifted; gross where one is far gone."""
    found = [(_named(f, f"features.{name}."), is_breach) for name, f, is_breach in _drifts(case)]
    return judged(found, urgent=any(_is_gross(f) for f, breach in found if breach))


def output_drift(case: Case) -> Verdict:
    """The prediction, or a score, drifted."""
    if case.reference is None:
        return UNKNOWN
    found = []
    pairs: list[tuple[str, FeatureBlock | None, ColumnReference | None]] = [
        ("prediction.", case.result.prediction, case.reference.prediction)
    ]
    for name, score in (case.result.scores or {}).items():
        pairs.append((f"scores.{name}.", score, case.reference.scores.get(name)))
    for prefix, block, column in pairs:
        drift = None if block is None or column is None else drifted(block, column)
        if drift is not None:
            found.append((_named(drift[0], prefix), drift[1]))
    return judged(found, urgent=any(_is_gross(f) for f, breach in found if breach))


def bad_values(case: Case) -> Verdict:
    """Missing, mismatched, unseen or impossible values, more than the reference has."""
    return judged(list(_bad_rates(case)))


def schema_break(case: Case) -> Verdict:
    """Half of a column missing or of the wrong type, which the reference never was."""
    found = [
        (f, is_breach and f.value >= BROKEN_RATE)
        for f, is_breach in _bad_rates(case)
        if f.metric.endswith((".missing_rate", ".type_mismatch_rate"))
    ]
    return judged(found)


def collapse(case: Case) -> Verdict:
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


def _drifts(case: Case) -> Iterator[tuple[str, Finding, bool]]:
    if case.reference is None:
        return
    for name, block in (case.result.features or {}).items():
        column = case.reference.features.get(name)
        drift = None if column is None else drifted(block, column)
        if drift is not None:
            yield name, *drift


def _bad_rates(case: Case) -> Iterator[tuple[Finding, bool]]:
    rows = case.result.rows
    if case.reference is None or rows < MIN_ROWS:
        return
    for name, block in (case.result.features or {}).items():
        column = case.reference.features.get(name)
        if column is None or column.rows == 0:
            continue
        for key in BAD_COUNTS:
            count = getattr(block, key, None)
            if count is None:
                continue
            before = column.missing if key == "missing" else 0
            limit = count_limit(rows, before, column.rows) / rows + BAD_RATE
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


def _beyond(
    key: str, value: float, limit: float, rows: int, *, clear: bool
) -> tuple[Finding, bool]:
    return finding(key, value, ">", limit, rows=rows, baseline=0.0), value > limit and not clear


def _named(found: Finding, prefix: str) -> Finding:
    return Finding(
        prefix + found.metric,
        found.value,
        found.baseline,
        found.threshold,
        found.comparison,
        found.rows,
        found.excess,
    )


def _is_gross(found: Finding) -> bool:
    limit = GROSS_PSI if found.metric.endswith("psi") else GROSS_KS
    return found.value > max(limit, 2 * found.threshold)
