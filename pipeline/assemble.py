"""From panes to a window result: merged and worked out, for the worker and a replay."""

from __future__ import annotations

from collections.abc import Iterable

from inferwatch.events.window import WindowResult
from pipeline.models import ModelPlan
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.pane import Counts, Pane
from pipeline.windows.result import WindowKey, window_result


def merged(plan: ModelPlan, key: WindowKey, panes: Iterable[Pane]) -> Counts:
    """All that a window takes of its panes; to be read only, for it may be a pane's own."""
    parts = [counts for pane in panes for counts in pane.taken_by(key.span.end)]
    if len(parts) == 1 and parts[0].rules.digest == plan.counting.digest:
        return parts[0]
    whole = Counts(plan.counting)
    for counts in parts:
        whole.merge(counts)
    return whole


def assemble(
    plan: ModelPlan,
    key: WindowKey,
    panes: Iterable[Pane],
    references: ReferenceCatalog,
    *,
    even_empty: bool = False,
) -> WindowResult | None:
    """The result of a window of these panes (or runs of them); None where they hold nothing.

    Args:
        plan: of the model.
        key: which window.
        panes: what makes it: of all partitions, and of other names where they are told together.
        references: all that are known.
        even_empty: a result was told whose rows may be in `__other__` now: that is told too.
    """
    counts = merged(plan, key, panes)
    if counts.empty and not even_empty:
        return None
    reference = references.in_force(plan.name, key.version, key.span.start)
    return window_result(
        plan.name,
        key,
        counts,
        reference=None if reference is None else reference.fingerprint,
        provisional=reference is not None and reference.provisional,
        slow_ms=plan.slow_ms,
    )
