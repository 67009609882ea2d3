"""Keyed sampling: which predictions belong to a sample is decided by their ids alone.

The sidecar sends a sample of predictions by it, the worker keeps one for labels: the same ids.
"""

from __future__ import annotations

import random
import zlib

_RANGE = 2**32


def keeps(row_id: str | None, share: float) -> bool:
    """Whether a prediction belongs to the sample.

    The same id gets the same answer in every process, and a larger share keeps all that a smaller
    one keeps; a row without an id is kept by chance.

    >>> keeps("a", 1.0), keeps("a", 0.0)
    (True, False)
    """
    if share >= 1.0:
        return True
    if row_id is None:
        return random.random() < share
    return zlib.crc32(row_id.encode(errors="replace")) < share * _RANGE
