"""The input columns of a view, each beside what it is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inferwatch.events.reference import CategoricalReference, ColumnReference
from inferwatch.events.window import CategoricalBlock, FeatureBlock, NumericBlock
from pipeline.diagnosis.view import View
from pipeline.rules.builtin_drift import KS_EFFECT, PSI_EFFECT
from pipeline.rules.readings import feature_of
from pipeline.rules.significance import ks_noise, psi_noise

NEWS = 2.0
"""Times the usual distance. In a window of an hour the hour of the day always differs."""
MIN_ROWS = 20
"""Columns with fewer usable values prove nothing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A feature now and as it should be.

    Attributes:
        now: its block in the bad window.
        column: the reference's, None where there is no reference.
        before: its block in the last calm window.
        rows: all rows of the window, missing ones too.
        rows_before: of the reference, else of the calm window.
    """

    name: str
    now: FeatureBlock
    column: ColumnReference | None
    before: FeatureBlock | None
    rows: int
    rows_before: int

    @property
    def good(self) -> ColumnReference | FeatureBlock | None:
        """The reference's column, else the calm window's."""
        return self.column if self.column is not None else self.before

    @property
    def metric(self) -> str:
        """`features.NAME`."""
        return f"features.{self.name}"

    def missing_before(self) -> float:
        """The usual share of missing values."""
        good = self.good
        return 0.0 if good is None or not self.rows_before else good.missing / self.rows_before


def pairs(view: View) -> Iterator[Pair]:
    """The features of the window that have something to be compared with, by name."""
    reference, before = view.reference, view.before
    rows_before = 0 if before is None else before.rows
    for name, now in sorted((view.result.features or {}).items()):
        column = None if reference is None else reference.features.get(name)
        calm = None if before is None else (before.features or {}).get(name)
        if column is not None or calm is not None:
            rows = rows_before if column is None else column.rows
            yield Pair(name, now, column, calm, view.result.rows, rows)


def shares_of(column: ColumnReference | FeatureBlock | None) -> Mapping[str, float] | None:
    """The shares of a categorical column; of a window's, the ten largest."""
    if isinstance(column, CategoricalReference):
        return column.shares
    if isinstance(column, CategoricalBlock):
        return dict(column.top)
    return None


def effect(now: FeatureBlock | None, column: ColumnReference | None) -> float:
    """How far a column is from the reference, 0 to 1; 0 where chance explains it.

    KS of a number, PSI (1 at most) of categories. Of a number the PSI may tell too: it sees tails
    that stretch, of which KS sees little.
    """
    if now is None or column is None or now.count < MIN_ROWS or column.rows == 0:
        return 0.0
    bins = len(shares_of(column) or range(10))
    noise = psi_noise(bins, now.count, column.rows, column.chunk_phi)
    psi = now.psi if now.psi is not None and now.psi > PSI_EFFECT + noise else 0.0
    if isinstance(now, NumericBlock):
        ks = now.ks or 0.0
        chance = ks_noise(now.count, column.rows, column.chunk_phi)
        return ks if psi or ks > max(KS_EFFECT, chance) else 0.0
    return min(1.0, psi)


def is_news(view: View, name: str, block: FeatureBlock) -> bool:
    """Whether a feature lies further from the reference than it did in the calm windows before."""
    key = "ks" if isinstance(block, NumericBlock) else "psi"
    now, usual = getattr(block, key), view.usual.get(f"features.{name}.{key}")
    return usual is None or now is None or now > NEWS * usual


def moved_inputs(view: View) -> dict[str, float]:
    """The features that drifted from the reference, with their effect."""
    reference = view.reference
    if reference is None:
        return {}
    effects = {
        name: effect(now, reference.features.get(name))
        for name, now in sorted((view.result.features or {}).items())
    }
    blocks = view.result.features or {}
    moved = {
        name: size
        for name, size in effects.items()
        if size > 0 and is_news(view, name, blocks[name])
    }
    # What moved too little to be seen in this window by itself: the detector saw many of them.
    for found in view.findings:
        name = feature_of(found.metric) or ""
        block = blocks.get(name)
        known = name in effects and block is not None and block.count >= MIN_ROWS
        if known and found.metric.endswith((".ks", ".psi")):
            moved.setdefault(name, min(1.0, found.value))
    return moved


def broken_inputs(view: View) -> bool:
    """Whether some input differs so grossly that what comes out of the model is its doing."""
    if any(size >= 0.3 for size in moved_inputs(view).values()):
        return True
    return any(
        p.now.type_mismatch + max(0.0, p.now.missing - p.missing_before() * p.rows) > 0.3 * p.rows
        for p in pairs(view)
        if p.rows
    )


def output_moved(view: View) -> bool:
    """Whether the prediction drifted from the reference, or else from the calm window's levels."""
    column = None if view.reference is None else view.reference.prediction
    if column is not None:
        return effect(view.result.prediction, column) > 0
    shares = {k: v for k, v in view.now.items() if k.startswith("prediction.top.")}
    return any(abs(v - view.usual.get(k, v)) > 0.1 for k, v in shares.items())
