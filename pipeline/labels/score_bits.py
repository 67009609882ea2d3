"""Scores in half the bytes: exact where it matters to what is measured with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Mask
from pipeline.stats.calibration import BINS

NEAR_EDGE = 1e-5


def needs_all_bits(scores: NDArray[np.float64]) -> Mask:
    """The scores that must be kept whole: no probability, or beside an edge of calibration.

    There rounding could move a row into the next bin, and scores lie on those edges in heaps: a
    third, 0.2, 0.4 (votes of a few trees or neighbours).
    """
    on_scale = scores * BINS
    edge = np.rint(on_scale)
    with np.errstate(invalid="ignore"):
        beside = (np.abs(on_scale - edge) < NEAR_EDGE) & (edge > 0) & (edge < BINS)
        return ~((scores >= 0) & (scores <= 1)) | beside


def shorten(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Probabilities as float32: from 0 below one half, negative and from 1 above it.

    Guarantee: p and 1 - p both within 6e-8 relative, so that the log-loss of a row moves by no
    more; 0 and 1 are exact, equal scores stay equal, and order is kept.

    >>> lengthen(shorten(np.array([0.0, 1e-9, 0.75, 1.0]))).tolist()
    [0.0, 9.999999717180685e-10, 0.75, 1.0]
    """
    above = scores > 0.5
    short = np.where(above, np.copysign(1.0 - scores, -1.0), scores + 0.0)
    return short.astype(np.float32)


def lengthen(short: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probabilities that `shorten` stored."""
    whole = short.astype(np.float64)
    return np.where(np.signbit(short), 1.0 + whole, whole)
