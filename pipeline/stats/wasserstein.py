"""The earth mover's distance."""

from __future__ import annotations

import numpy as np

from pipeline.stats.cells import Cells
from pipeline.stats.packing import Ints

_TINY = 5e-324


def wasserstein(
    cells: Cells, counts: Ints, below: int, above: int, beyond: float, mean: float
) -> float | None:
    """`integral |F_window - F_reference| dx`, in standard deviations of the reference.

    Inside the reference's range both functions are taken as straight within a cell; beyond it
    the reference's is constant, and the integral is the exact mean distance from the range. The
    difference of the means is a lower bound of the true distance, and is met by a pure shift.

    Guarantee: within 5 % or 0.02 of `scipy.stats.wasserstein_distance / reference std`, the
    larger, for light-tailed data. None when the reference does not vary. Cost: 20 µs.

    Args:
        cells: of the reference.
        counts: rows of the window a cell, those out of range in the outermost ones.
        below: how many of them lie below the reference's range.
        above: how many of them lie above it.
        beyond: the sum of their distances from the range.
        mean: of the window.
    """
    ours = np.empty(len(counts) + 1)
    ours[0] = below
    np.add.accumulate(counts, out=ours[1:])
    size = float(ours[-1])
    if not size or not cells.std > 0:
        return None
    ours[-1] -= above
    gaps = ours / size
    gaps[1:] -= cells.shares_upto
    left, right = gaps[:-1], gaps[1:]
    # A straight line from `left` to `right` crosses zero when their signs differ.
    steep = np.abs(left) + np.abs(right)
    crossing = (left * left + right * right) / np.maximum(steep, _TINY)
    heights = np.where(left * right >= 0, steep, crossing)
    inside = float(np.add.reduce(heights * cells.widths)) / 2
    return max(inside + beyond / size, abs(mean - cells.mean)) / cells.std
