"""Whole numbers as few bytes: what snapshots of counts are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_TYPES = tuple(np.dtype(code) for code in ("<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<i8"))
_RANGES = tuple((int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in _TYPES)


def pack_ints(values: Ints) -> bytes:
    """One byte that names the width, then each number in that width.

    >>> pack_ints(np.array([1, 2, 300])).hex()
    '02010002002c01'
    """
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    code = next(n for n, (least, most) in enumerate(_RANGES) if least <= low and high <= most)
    return bytes([code]) + values.astype(_TYPES[code]).tobytes()


def unpack_ints(data: bytes) -> Ints:
    """The numbers that `pack_ints` wrote.

    >>> unpack_ints(pack_ints(np.array([-5, 70000]))).tolist()
    [-5, 70000]
    """
    return np.frombuffer(data, _TYPES[data[0]], offset=1).astype(np.int64)


def pack_counts(counts: Ints) -> list[bytes]:
    """Counts of cells; those that are mostly zero as places and counts.

    >>> len(pack_counts(np.array([0, 0, 0, 7, 0, 0, 0, 0])))
    2
    """
    places = np.flatnonzero(counts)
    if 3 * len(places) < len(counts):
        counts = counts[places]
        places[1:] -= places[:-1].copy()
        return [pack_ints(places), pack_ints(counts)]
    return [pack_ints(counts)]


def unpack_counts(data: list[bytes], size: int) -> Ints:
    """The counts of `size` cells that `pack_counts` wrote."""
    if len(data) == 1:
        return unpack_ints(data[0])
    counts = np.zeros(size, np.int64)
    counts[np.cumsum(unpack_ints(data[0]))] = unpack_ints(data[1])
    return counts
