"""What a window result says of a numeric column."""

from __future__ import annotations

from inferwatch.events.reference import NumericReference
from inferwatch.events.window import NumericBlock
from pipeline.stats.categories import entropy_bits
from pipeline.stats.cells import Cells
from pipeline.stats.chi_square import chi_square_apart
from pipeline.stats.collapse import collapsed
from pipeline.stats.drift import DriftScores, count_p, phi_at, rank_scores, shape_score
from pipeline.stats.jensen_shannon import jensen_shannon
from pipeline.stats.ks import ks_pvalue, ks_statistic
from pipeline.stats.numbers import NumberCounter
from pipeline.stats.psi import psi
from pipeline.stats.wasserstein import wasserstein


def numeric_block(
    numbers: NumberCounter,
    *,
    rows: int,
    mismatched: int,
    scores: DriftScores | None,
    as_output: bool,
) -> NumericBlock:
    """The block of a numeric column.

    Args:
        numbers: the numbers, counted.
        rows: all rows of the window.
        mismatched: rows that hold a text or the like.
        scores: how far the window lies from the reference; None without one.
        as_output: also fill `entropy` (over the PSI bins) and `collapsed`.
    """
    moments, cells = numbers.moments, numbers.cells
    count, mean = moments.count, moments.mean()
    p05, p50, p95 = numbers.percentiles(50, 500, 950)
    ks = pvalue = index = distance = moved = None
    if cells is not None and scores is not None and count:
        counts, below, above = numbers.cell_counts, numbers.below, numbers.above
        ks = ks_statistic(cells.upto, counts, below, above)
        pvalue = None if ks is None else ks_pvalue(ks, cells.rows, count)
        index = scores.psi
        distance = jensen_shannon(cells.psi_reference, cells.psi_bins(counts))
        if mean is not None:
            moved = wasserstein(cells, counts, below, above, numbers.beyond(), mean)
    return NumericBlock(
        count=count,
        missing=rows - count - numbers.non_finite - mismatched,
        non_finite=numbers.non_finite,
        type_mismatch=mismatched,
        out_of_range=None if cells is None else numbers.below + numbers.above,
        mean=None if mean is None else mean + 0.0,
        std=moments.std if count else None,
        min=moments.min + 0.0 if count else None,
        max=moments.max + 0.0 if count else None,
        p05=p05,
        p50=p50,
        p95=p95,
        ks=ks,
        ks_pvalue=pvalue,
        psi=index,
        js=distance,
        wasserstein=moved,
        drift=None if scores is None else scores.drifted(),
        deviation=None if scores is None else scores.deviation(),
        entropy=_entropy(numbers, cells) if as_output else None,
        collapsed=_collapsed(numbers, cells) if as_output else None,
    )


def _entropy(numbers: NumberCounter, cells: Cells | None) -> float | None:
    if cells is None:
        return None
    return entropy_bits(cells.psi_bins(numbers.cell_counts).tolist())


def _collapsed(numbers: NumberCounter, cells: Cells | None) -> bool | None:
    if cells is None:
        return None
    return collapsed(
        numbers.largest_run(), numbers.moments.count, int(cells.reference.max()), cells.rows
    )


def numeric_scores(
    numbers: NumberCounter, *, rows: int, reference: NumericReference
) -> DriftScores:
    """How far a numeric column lies from its reference; see `DriftScores`."""
    cells = numbers.cells
    assert cells is not None
    counts, count, usable = numbers.cell_counts, numbers.moments.count, cells.rows
    rank = effect = spread = shape = index = 0.0
    if count:
        rank, effect, spread = rank_scores(cells.reference, counts)
        bins = cells.psi_bins(counts)
        apart = chi_square_apart(cells.psi_reference, bins)
        shape = 0.0 if apart is None else shape_score(*apart)
        index = psi(cells.psi_reference, bins) or 0.0
    return DriftScores(
        rows=count,
        reference_rows=usable,
        rank=rank,
        effect=effect,
        spread=spread,
        shape=shape,
        psi=index,
        missing_p=count_p(rows - count, rows, reference.rows - usable, reference.rows),
        odd_p=count_p(numbers.far_out(), count, 0, usable),
        phi=phi_at(count, reference.chunk_phi, reference.chunk_rows),
    )
