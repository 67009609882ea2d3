"""From panes to a window result: which panes a window is made of, merged and worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inferwatch.events.window import WindowResult
from pipeline.models import ModelPlan
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.pane import Counts, Pane, PaneKey
from pipeline.windows.result import WindowKey, window_result

PanesOf = Callable[[str], Iterable[Pane]]
"""The panes of all partitions that are stored under a pane's text key."""


def merged(plan: ModelPlan, key: WindowKey, panes_of: PanesOf) -> Counts:
    """All that a window takes of its panes; to be read only, for it may be a pane's own."""
    parts = [
        counts
        for text in pane_texts(plan, key)
        for pane in panes_of(text)
        for counts in pane.taken_by(key.span.end)
    ]
    if len(parts) == 1:
        return parts[0]
    whole = Counts(plan.counting)
    for counts in parts:
        whole.merge(counts)
    return whole


def assemble(
    plan: ModelPlan, key: WindowKey, panes_of: PanesOf, references: ReferenceCatalog
) -> WindowResult | None:
    """The result of a window as its panes are now; None where they hold nothing."""
    counts = merged(plan, key, panes_of)
    if counts.empty:
        return None
    reference = references.in_force(plan.name, key.version, key.span.start)
    return window_result(
        plan.name,
        key,
        counts,
        reference=None if reference is None else reference.fingerprint,
        provisional=reference is not None and reference.provisional,
    )


def pane_texts(plan: ModelPlan, key: WindowKey) -> list[str]:
    """The text keys of the panes that make a window."""
    return [
        PaneKey(plan.name, key.version, key.segment, start).text()
        for start in plan.grid.panes_of(key.span)
    ]
