"""A reference profile: what the model's inputs and outputs looked like when it was good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA = "inferwatch.reference/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericReference:
    """A numeric column of the reference.

    Attributes:
        psi_edges: up to 9 inner edges, halfway between distinct values.
        psi_shares: one share more than edges.
        cell_edges: rising upper edges (right-closed) of the counting cells; psi_edges are among
            them; no cell holds more than 1/256 of the mass unless it is a spike's own.
        cell_counts: reference rows a cell, one more than edges.
        spikes: rising values that have a cell of their own.
        p05, p50, p95: exact order statistics, for diagnosis.
        chunk_phi: how much more the reference's own time-ordered chunks differ than rows drawn
            by chance would; None without times.
        chunk_rows: rows of such a chunk.
    """

    type: str = field(default="numeric", init=False)
    rows: int
    missing: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    psi_edges: tuple[float, ...]
    psi_shares: tuple[float, ...]
    p05: float | None = None
    p50: float | None = None
    p95: float | None = None
    cell_edges: tuple[float, ...] = ()
    cell_counts: tuple[int, ...] = ()
    spikes: tuple[float, ...] = ()
    chunk_phi: float | None = None
    chunk_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalReference:
    """A categorical column of the reference: the share of each category, and its count.

    Attributes:
        shares: of the rows with a value; `__other__` holds what the limit left out.
        counts: rows behind each share.
        chunk_phi, chunk_rows: as in `NumericReference`.
    """

    type: str = field(default="categorical", init=False)
    rows: int
    missing: int
    shares: Mapping[str, float]
    counts: Mapping[str, int] = field(default_factory=dict)
    chunk_phi: float | None = None
    chunk_rows: int | None = None


ColumnReference = NumericReference | CategoricalReference


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCalibration:
    """How often a predicted class was right, by the score that it had.

    Attributes:
        bins: rising numbers of the bins of confidence that hold a row.
        rows, right: labelled rows of each, and how many of them were right.
    """

    bins: tuple[int, ...]
    rows: tuple[int, ...]
    right: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceProfile:
    """The reference of one model.

    Attributes:
        model: a model's name, or `*` for data that serves every model.
        version: None serves every version.
        rows: reference rows.
        fingerprint: 16 hex digits of all that decides a count; part of every pane's key.
        performance: `accuracy`, `f1`, `rmse` … of the labelled rows, and `train_accuracy`.
        calibration: by predicted class, of the labelled rows with scores.
    """

    model: str
    version: str | None
    rows: int
    fingerprint: str
    created_at: int
    features: Mapping[str, ColumnReference]
    prediction: ColumnReference | None = None
    scores: Mapping[str, ColumnReference] = field(default_factory=dict)
    performance: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, ClassCalibration] = field(default_factory=dict)
    provisional: bool = False
    schema: str = field(default=SCHEMA)
