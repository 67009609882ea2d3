"""Python's collector of cycles, set for a process that makes many records and few cycles."""

from __future__ import annotations

import gc

YOUNG = 50_000
"""New records before the collector looks through them; 700 is Python's own. A step makes hundreds
of thousands and drops them without it: looking each time cost a fifth of the label join."""


def rest_collector() -> None:
    """Look seldom, and never again at what lives by now: it lives as long as the process."""
    gc.set_threshold(YOUNG, 20, 100)
    gc.collect()
    gc.freeze()
