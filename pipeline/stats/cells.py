"""The counting cells of a numeric column: where the reference's quantiles lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.reference import NumericReference
from pipeline.stats.packing import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells `(edges[i-1], edges[i]]` of one reference column, ready for computing.

    The first cell begins at -inf, the last one ends at +inf.

    Attributes:
        edges: rising, shape (c - 1,).
        reference: rows of the reference in each cell, shape (c,).
        lower, upper: what each cell spans of the reference's range, shape (c,).
        spikes: for each cell the one value that it is made for, NaN for all others.
        psi_starts: the first cell of each PSI bin.
        min, max: below and above is out of range. Where the smallest or largest value is a
            spike, its whole cell is in range: a float32 stream rounds it either way.
        mean, std: of the reference.
        rows: usable reference rows.
        upto: reference rows in all cells up to and with each one.
        shares_upto: the same as shares of all rows.
        widths: of what each cell spans.
        psi_reference: reference rows a PSI bin.
    """

    edges: Floats
    reference: Ints
    lower: Floats
    upper: Floats
    spikes: Floats
    psi_starts: Ints
    min: float
    max: float
    mean: float
    std: float
    rows: int
    upto: Ints
    shares_upto: Floats
    widths: Floats
    psi_reference: Ints

    def psi_bins(self, counts: Ints) -> Ints:
        """Counts of cells put together to counts of PSI bins."""
        return np.add.reduceat(counts, self.psi_starts)

    def count_sorted(self, ordered: Floats) -> Ints:
        """How many values of a rising array fall in each cell.

        Searching the edges in the values costs 14 steps an edge; searching the values in the
        edges would cost 9 steps, and as many mispredicted branches, a value.
        """
        upto = ordered.searchsorted(self.edges, "right")
        counts = np.empty(len(self.reference), np.int64)
        counts[:-1] = upto
        counts[-1] = len(ordered)
        counts[1:] -= upto
        return counts


_KNOWN: dict[int, tuple[NumericReference, Cells]] = {}
_KNOWN_LIMIT = 10_000


def cells_of(reference: NumericReference) -> Cells:
    """The cells of a reference column; built once for each record.

    Keyed by identity (the record is kept, so its id stays its own): hashing a thousand floats
    for every pane would cost more than counting it.
    """
    known = _KNOWN.get(id(reference))
    if known is None:
        if len(_KNOWN) >= _KNOWN_LIMIT:
            _KNOWN.clear()
        known = _KNOWN[id(reference)] = (reference, _build(reference))
    return known[1]


def _build(reference: NumericReference) -> Cells:
    edges = np.array(reference.cell_edges, np.float64)
    counts = np.array(reference.cell_counts, np.int64)
    psi_edges = np.array(reference.psi_edges, np.float64)
    if not len(counts):
        # A profile made elsewhere may have the PSI bins alone.
        edges = psi_edges
        usable = reference.rows - reference.missing
        counts = np.rint(np.array(reference.psi_shares) * usable).astype(np.int64)
    low = float(reference.min if reference.min is not None else 0.0)
    high = float(reference.max if reference.max is not None else 0.0)
    spikes = np.full(len(counts), np.nan)
    values = np.array(reference.spikes, np.float64)
    spikes[edges.searchsorted(values, "left")] = values
    lower = np.clip(np.concatenate([[-np.inf], edges]), low, high)
    upper = np.clip(np.concatenate([edges, [np.inf]]), low, high)
    if len(values):
        first, last = edges.searchsorted(values[[0, -1]], "left")
        if values[0] == low and first > 0:
            low = float(np.nextafter(edges[first - 1], np.inf))
        if values[-1] == high and last < len(edges):
            high = float(edges[last])
    psi_starts = np.concatenate([[0], edges.searchsorted(psi_edges, "left") + 1])
    return Cells(
        edges=edges,
        reference=counts,
        lower=lower,
        upper=upper,
        spikes=spikes,
        psi_starts=psi_starts,
        min=low,
        max=high,
        mean=float(reference.mean or 0.0),
        std=float(reference.std or 0.0),
        rows=int(counts.sum()),
        upto=np.cumsum(counts),
        shares_upto=np.cumsum(counts) / max(int(counts.sum()), 1),
        widths=upper - lower,
        psi_reference=np.add.reduceat(counts, psi_starts),
    )
