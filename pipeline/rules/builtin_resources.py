"""Built-in test of resources: against the first hours of the stream itself."""

from __future__ import annotations

from pipeline.rules.budget import Allowance
from pipeline.rules.detector import Case
from pipeline.rules.usual import usual_range
from pipeline.rules.verdict import UNKNOWN, Verdict, finding, judged

RATIOS = {
    "rss_bytes": 1.3,
    "gpu_memory_bytes": 1.3,
    "open_fds": 2.0,
    "cpu_percent": 1.5,
    "gpu_percent": 1.5,
    "net_rx_bytes": 3.0,
    "net_tx_bytes": 3.0,
}
"""How many times the first hours' level somebody would mind: memory that is gone stays gone,
traffic comes and goes."""
FULL = 85.0
"""Per cent; a processor that has room left wakes nobody, however little it did at first."""


def levels(case: Case) -> list[tuple[str, float]]:
    """The mean of each resource in this window."""
    samples = case.result.resources or {}
    return [(f"resources.{name}.mean", sample.mean) for name, sample in sorted(samples.items())]


def high(case: Case, allowance: Allowance) -> Verdict:
    """A resource far above the first hours', and beyond what these ranged over.

    Unknown during the first 30 windows of a version.
    """
    found = []
    for metric, value in levels(case):
        name = metric.split(".")[1]
        usual = usual_range(case.past.first.get(metric, ()))
        if usual is None:
            continue
        middle, _, top = usual
        limit = max(RATIOS.get(name, 2.0) * middle, top)
        if name.endswith("_percent"):
            limit = max(limit, FULL)
        found.append(
            (finding(metric, value, ">", limit, rows=None, baseline=middle), value > limit)
        )
    return judged(found) if found else UNKNOWN
