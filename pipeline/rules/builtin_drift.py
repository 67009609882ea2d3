"""Built-in tests of drift: inputs and outputs against the reference.

Twofold: one window that is far off by itself, and sums over windows (`cusum.py`) of a column's
standard scores, which find a tenth of a standard deviation and slow ramps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

from inferwatch.events.reference import CategoricalReference, ColumnReference, NumericReference
from inferwatch.events.window import CategoricalBlock, FeatureBlock, NumericBlock
from pipeline.rules.budget import Allowance, sum_limit
from pipeline.rules.cusum import Step
from pipeline.rules.detector import Case
from pipeline.rules.scatter import Scatter
from pipeline.rules.significance import ks_noise, psi_mean, psi_noise
from pipeline.rules.verdict import Finding, Verdict, finding, judged
from pipeline.stats.drift import phi_at

MIN_ROWS = 50
KS_EFFECT = 0.10
PSI_EFFECT = 0.10
GROSS_KS = 0.35
GROSS_PSI = 1.0

STILL = Scatter()
SUMS = 5
"""Of a column: rank up and down, spread up and down, shape."""
REFERENCE_ERROR = 3.0
"""The reference's own sampling error is the same in every window: of this many of its standard
errors none may add up."""
WANDERS, STREAM_WANDERS = 1.05, 1.5
"""Beyond this over-dispersion the reference, or the stream, is known to move by itself from day to
day; a stream's is known less well, and a fault that begins adds to it."""
RANK_MATTERS = (0.02, 0.05)
PSI_MATTERS = (0.03, 0.10)
"""Mean effects that somebody would mind: where reference and stream hold still, and where not."""

Pair = tuple[str, FeatureBlock, ColumnReference]
"""The path of a column with its dot, its block and its reference."""


def input_drift(case: Case, allowance: Allowance) -> Verdict:
    """Features that are far off in this window; at once where one is far gone."""
    return _alone(list(_inputs(case)), allowance, case)


def input_sums(case: Case, allowance: Allowance) -> list[Step]:
    """What this window adds to the sums of each feature."""
    return _sums(list(_inputs(case)), allowance, case)


def output_drift(case: Case, allowance: Allowance) -> Verdict:
    """The prediction, or a score, is far off in this window."""
    return _alone(list(_outputs(case)), allowance, case)


def output_sums(case: Case, allowance: Allowance) -> list[Step]:
    """What this window adds to the sums of the prediction and each score."""
    return _sums(list(_outputs(case)), allowance, case)


def _inputs(case: Case) -> Iterator[Pair]:
    if case.reference is None:
        return
    for name, block in (case.result.features or {}).items():
        column = case.reference.features.get(name)
        if column is not None and block.count >= MIN_ROWS and column.rows:
            yield f"features.{name}.", block, column


def _outputs(case: Case) -> Iterator[Pair]:
    reference = case.reference
    if reference is None:
        return
    blocks = {"prediction.": (case.result.prediction, reference.prediction)}
    for name, score in (case.result.scores or {}).items():
        blocks[f"scores.{name}."] = (score, reference.scores.get(name))
    for path, (block, column) in blocks.items():
        if block is not None and column is not None and block.count >= MIN_ROWS and column.rows:
            yield path, block, column


def _alone(pairs: list[Pair], allowance: Allowance, case: Case) -> Verdict:
    found = [
        (replace(drift[0], metric=path + drift[0].metric), drift[1])
        for path, block, column in pairs
        if (drift := _drifted(block, column, allowance, len(pairs), _phi(case, path))) is not None
    ]
    return judged(found, urgent=any(_is_gross(f) for f, breach in found if breach))


def _phi(case: Case, path: str) -> float:
    """By how much the stream's own windows scatter more than the reference's chunks."""
    return case.past.scatters.get(f"{path}rank", case.past.scatters.get(f"{path}shape", STILL)).phi


def _drifted(
    block: FeatureBlock, column: ColumnReference, allowance: Allowance, columns: int, wider: float
) -> tuple[Finding, bool] | None:
    """Whether a column differs by more than chance, and by enough to matter.

    The finding's metric is the bare key (`ks`, `psi`). None when there is nothing to judge.
    """
    phi = wider * phi_at(block.count, column.chunk_phi, column.chunk_rows)
    # Every test that the block's own verdict rests on came out clear.
    clear = block.drift is False
    if isinstance(block, NumericBlock) and isinstance(column, NumericReference):
        if block.ks is None:
            return None
        noise = ks_noise(block.count, column.rows, phi, allowance.rare(columns))
        return _beyond("ks", block.ks, max(KS_EFFECT, noise + 0.03), block.count, clear=clear)
    if isinstance(block, CategoricalBlock) and isinstance(column, CategoricalReference):
        if block.psi is None:
            return None
        bins = len(column.shares) + 1
        noise = psi_noise(bins, block.count, column.rows, phi, allowance.far(columns))
        return _beyond("psi", block.psi, PSI_EFFECT + noise, block.count, clear=clear)
    return None


def _beyond(
    key: str, value: float, limit: float, rows: int, *, clear: bool
) -> tuple[Finding, bool]:
    return finding(key, value, ">", limit, rows=rows, baseline=0.0), value > limit and not clear


def _is_gross(found: Finding) -> bool:
    limit = GROSS_PSI if found.metric.endswith("psi") else GROSS_KS
    return found.value > max(limit, 2 * found.threshold)


def _sums(pairs: list[Pair], allowance: Allowance, case: Case) -> list[Step]:
    run = allowance.run(SUMS * len(pairs))
    return [step for pair in pairs for step in _steps(*pair, run, case)]


def _steps(
    path: str, block: FeatureBlock, column: ColumnReference, run: float, case: Case
) -> Iterator[Step]:
    apart = block.deviation
    key = "ks" if isinstance(block, NumericBlock) else "psi"
    value = getattr(block, key)
    if apart is None or value is None:
        return
    slack = 1 + REFERENCE_ERROR * sqrt(block.count / column.rows)
    limit = sum_limit(slack, run)
    bins = len(column.psi_edges) + 1 if isinstance(column, NumericReference) else len(column.shares)
    index = (block.psi or 0.0) - psi_mean(bins, block.count, column.rows)
    scores = {"shape": (apart.shape, 1, index)}
    if isinstance(block, NumericBlock):
        scores |= {
            "rank+": (apart.rank, 1, apart.effect),
            "rank-": (apart.rank, -1, -apart.effect),
            "spread+": (apart.spread, 1, index),
            "spread-": (apart.spread, -1, index),
        }
    for name, (raw, sign, effect) in scores.items():
        scatter = case.past.scatters.get(path + name.rstrip("-+"), Scatter())
        level = scatter.level if name == "shape" else 0.0
        wanders = (column.chunk_phi or 1.0) > WANDERS or scatter.phi > STREAM_WANDERS
        enough = (RANK_MATTERS if name.startswith("rank") else PSI_MATTERS)[wanders]
        yield Step(
            key=path + name,
            metric=path + key,
            score=(sign * raw - level) / scatter.phi,
            slack=slack,
            limit=limit,
            value=value,
            baseline=0.0,
            effect=effect,
            enough=enough,
            rows=block.count,
            start=case.result.start,
            raw=None if sign < 0 else (path + name.rstrip("+"), raw),
        )
