"""What a window result says of a categorical column."""

from __future__ import annotations

import numpy as np

from inferwatch.events.reference import CategoricalReference
from inferwatch.events.window import CategoricalBlock
from pipeline.stats.categories import OTHER, CategoryCounter, entropy_bits
from pipeline.stats.chi_square import chi_square, chi_square_apart
from pipeline.stats.collapse import collapsed
from pipeline.stats.drift import DriftScores, count_p, phi_at, shape_score
from pipeline.stats.jensen_shannon import jensen_shannon
from pipeline.stats.packing import Ints
from pipeline.stats.psi import psi

TOP = 10
GROUPS = 10
"""The built-in verdict compares the nine most frequent categories and the rest: a chi-square of
many rare ones follows no chi-square distribution."""

FEWEST = 8
"""Rows of the reference that a category of its own needs in that comparison."""


def categorical_block(
    categories: CategoryCounter,
    *,
    rows: int,
    non_finite: int,
    mismatched: int,
    reference: CategoricalReference | None,
    as_output: bool,
) -> CategoricalBlock:
    """The block of a categorical column.

    Args:
        categories: the categories, counted.
        rows: all rows of the window.
        non_finite: rows that hold a number that is not finite.
        mismatched: rows that hold an array or the like.
        reference: what to compare with.
        as_output: also fill `entropy` and `collapsed`.
    """
    shown = with_other(categories)
    count = sum(shown.values())
    index = distance = test = unseen = scores = None
    if reference is not None:
        theirs, ours = side_by_side(categories, reference)
        index, distance = psi(theirs, ours), jensen_shannon(theirs, ours)
        test = chi_square(theirs, ours)
        # A reference that was itself over the limit cannot tell an unseen category.
        unseen = int(ours[-1]) if OTHER not in reference.shares else None
        scores = categorical_scores(theirs, ours, rows=rows, reference=reference)
    return CategoricalBlock(
        count=count,
        missing=rows - count - non_finite - mismatched,
        non_finite=non_finite,
        type_mismatch=mismatched,
        unseen=unseen,
        over_limit=categories.over_limit,
        psi=index,
        chi2=None if test is None else test[0],
        chi2_pvalue=None if test is None else test[1],
        js=distance,
        drift=None if scores is None else scores.drifted(),
        deviation=None if scores is None else scores.deviation(),
        top=top_shares(shown),
        entropy=entropy_bits(list(shown.values())) if as_output else None,
        collapsed=_collapsed(shown, count, reference) if as_output else None,
    )


def with_other(categories: CategoryCounter) -> dict[str, int]:
    """The counts, those that went to `__other__` under that name."""
    shown = dict(categories.counts())
    if categories.over_limit:
        shown[OTHER] = shown.get(OTHER, 0) + categories.over_limit
    return shown


def top_shares(counts: dict[str, int]) -> tuple[tuple[str, float], ...]:
    """The ten largest shares, ties by name.

    >>> top_shares({"b": 1, "a": 1, "c": 2})
    (('c', 0.5), ('a', 0.25), ('b', 0.25))
    """
    total = sum(counts.values())
    ranked = sorted(((-n, text) for text, n in counts.items() if n))[:TOP]
    return tuple((text, -n / total) for n, text in ranked)


def reference_counts(reference: CategoricalReference) -> dict[str, int]:
    """Reference rows a category; from the shares in a profile that was made elsewhere."""
    if reference.counts:
        return dict(reference.counts)
    usable = reference.rows - reference.missing
    return {text: round(share * usable) for text, share in reference.shares.items()}


def side_by_side(categories: CategoryCounter, reference: CategoricalReference) -> tuple[Ints, Ints]:
    """Counts of reference and window over the reference's categories and all others as one."""
    known = reference_counts(reference)
    pooled = known.pop(OTHER, 0)
    counts = categories.counts()
    ours = [counts.get(text, 0) for text in known]
    return (
        np.array([*known.values(), pooled], np.int64),
        np.array([*ours, categories.total() - sum(ours)], np.int64),
    )


def _collapsed(
    shown: dict[str, int], count: int, reference: CategoricalReference | None
) -> bool | None:
    if reference is None:
        return None
    theirs = reference_counts(reference)
    # What went to `__other__` is many values, not one.
    largest = max((n for text, n in shown.items() if text != OTHER), default=0)
    largest_there = max((n for text, n in theirs.items() if text != OTHER), default=0)
    return collapsed(largest, count, largest_there, sum(theirs.values()))


def categorical_scores(
    theirs: Ints, ours: Ints, *, rows: int, reference: CategoricalReference
) -> DriftScores:
    """How far a column lies from its reference, by the counts of `side_by_side`."""
    count, usable = int(ours.sum()), int(theirs.sum())
    order = np.argsort(-theirs[:-1], kind="stable")
    kept = order[: GROUPS - 1]
    kept = kept[theirs[kept] >= FEWEST]
    theirs_grouped, ours_grouped = _grouped(theirs, kept), _grouped(ours, kept)
    apart = chi_square_apart(theirs_grouped, ours_grouped)
    unseen = 0 if OTHER in reference.shares else int(ours[-1])
    return DriftScores(
        rows=count,
        reference_rows=usable,
        rank=0.0,
        effect=0.0,
        spread=0.0,
        shape=0.0 if apart is None else shape_score(*apart),
        psi=psi(theirs_grouped, ours_grouped) or 0.0,
        missing_p=count_p(rows - count, rows, reference.rows - usable, reference.rows),
        # Good and Turing: what a sample has not seen is as frequent as what it saw once.
        odd_p=count_p(unseen, count, int(np.count_nonzero(theirs[:-1] == 1)), usable),
        phi=phi_at(count, reference.chunk_phi, reference.chunk_rows),
    )


def _grouped(counts: Ints, kept: Ints) -> Ints:
    return np.append(counts[kept], counts.sum() - counts[kept].sum())
