"""Where the counting cells of a numeric reference lie, and its PSI bins."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.reference.atoms import Atoms

CELLS = 256
BINS = 10
SPIKE_WIDTH = 1e-6
NARROWEST = 1e-12
GAP_PARTS = 16
MOST_EDGES = 528


@dataclass(slots=True)
class QuantileCells:
    """The cells `(edges[i-1], edges[i]]` of a column and the reference rows in each.

    No cell holds more than 1/256 of the rows (one row, below 256 rows) unless it belongs to one
    value alone: a value with more mass than that, a spike, has the cell `v ± 1e-6` relative (wider
    than the rounding of a float32; at most a quarter of the gap to its neighbours), with cells on
    both sides. All other edges, the PSI edges among them, lie halfway between two values.
    """

    edges: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    spikes: list[float] = field(default_factory=list)
    psi_edges: list[float] = field(default_factory=list)
    psi_shares: list[float] = field(default_factory=list)


def psi_ranks(total: int) -> list[int]:
    """The ranks, from 1, behind whose values the PSI edges lie: ceil(i·m/10).

    >>> psi_ranks(25)
    [3, 5, 8, 10, 13, 15, 18, 20, 23]
    """
    return [-(-i * total // BINS) for i in range(1, BINS)]


def halfway(left: float, right: float) -> float:
    """The edge between two neighbours: `left` belongs to the lower cell, `right` to the upper.

    >>> halfway(1.0, 2.0), halfway(0.0, 5e-324)
    (1.5, 0.0)
    """
    middle = left / 2 + right / 2
    return middle if left <= middle < right else left


def quantile_cells(atoms: Atoms) -> QuantileCells:
    """Lay the cells over a column's values.

    Guarantee: PSI edges are those of CONTRACT: halfway between the value of rank ceil(i·m/10) and
    the next larger distinct one; ties that swallow a bin merge it; a single value v has the two
    edges v ± 1e-6 relative (at least 1e-12). At most some 528 edges.

    >>> values = np.arange(4.0)
    >>> quantile_cells(Atoms(values, values, np.array([7, 1, 1, 1]))).psi_edges
    [0.5, 1.5, 2.5]
    """
    cells = _Layer(atoms).lay()
    if _is_single(atoms):
        cells.psi_edges = list(cells.edges)
    _divide_gaps(cells, _counted(cells, atoms))
    counts = _counted(cells, atoms)
    cells.counts = counts.tolist()
    starts = [0, *(np.searchsorted(cells.edges, cells.psi_edges) + 1).tolist()]
    cells.psi_shares = (np.add.reduceat(counts, starts) / counts.sum()).tolist()
    return cells


def _counted(cells: QuantileCells, atoms: Atoms) -> NDArray[np.int64]:
    """Rows a cell, counted as a window's are: where rounding puts an edge on a value both agree."""
    place = np.searchsorted(cells.edges, atoms.last, "left")
    counts = np.bincount(place, weights=atoms.rows, minlength=len(cells.edges) + 1)
    return counts.astype(np.int64)


def _divide_gaps(cells: QuantileCells, counts: NDArray[np.int64]) -> None:
    """Divide the empty cells between spikes, so that what moves into them is seen where it lies.

    In a window like the reference they stay empty and take no room.
    """
    gaps = np.flatnonzero(counts[1:-1] == 0) + 1
    if not len(gaps):
        return
    parts = min(GAP_PARTS, (MOST_EDGES - len(cells.edges)) // len(gaps) + 1)
    inner = [
        np.linspace(cells.edges[gap - 1], cells.edges[gap], parts, endpoint=False)
        for gap in gaps.tolist()
    ]
    cells.edges = np.unique(np.concatenate([cells.edges, *inner])).tolist()


class _Layer:
    """Walks over the groups once, and lays an edge wherever a cell ends."""

    def __init__(self, atoms: Atoms) -> None:
        self._first = atoms.first.tolist()
        self._last = atoms.last.tolist()
        self._rows = atoms.rows.tolist()
        self._single = _is_single(atoms)
        self._cells = QuantileCells()

    def lay(self) -> QuantileCells:
        total = sum(self._rows)
        limit = max(1, total // CELLS)
        ranks = psi_ranks(total)
        upto = held = 0
        for place, rows in enumerate(self._rows):
            if self._first[place] == self._last[place] and rows * CELLS > total:
                self._lay_spike(place)
                held = 0
            else:
                if held and held + rows > limit:
                    self._edge(halfway(self._last[place - 1], self._first[place]))
                    held = 0
                held += rows
            upto += rows
            reached = sum(rank <= upto for rank in ranks)
            if reached:
                ranks = ranks[reached:]
                held = 0
                if place + 1 < len(self._rows):
                    edge = halfway(self._last[place], self._first[place + 1])
                    self._edge(edge)
                    self._cells.psi_edges.append(edge)
        return self._cells

    def _edge(self, edge: float) -> None:
        edges = self._cells.edges
        # Neighbours without a double between them share an edge; beyond the doubles none is needed.
        if math.isfinite(edge) and not (edges and edge <= edges[-1]):
            edges.append(edge)

    def _lay_spike(self, place: int) -> None:
        value = self._first[place]
        width = abs(value) * SPIKE_WIDTH
        if value == 0 or self._single:
            width = max(width, NARROWEST)
        if place:
            width = min(width, (value - self._last[place - 1]) / 4)
        if place + 1 < len(self._rows):
            width = min(width, (self._first[place + 1] - value) / 4)
        below = value - width
        self._edge(below if below < value else math.nextafter(value, -math.inf))
        self._edge(value + width)
        self._cells.spikes.append(value)


def _is_single(atoms: Atoms) -> bool:
    return len(atoms.rows) == 1 and bool(atoms.first[0] == atoms.last[0])
