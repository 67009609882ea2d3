"""It began with a new version of the model."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import clock, number
from pipeline.rules.versions import elders_of

MIN_ROWS = 50
"""With fewer rows two versions that are alike look different."""
FRESH_WINDOWS = 5
"""The bad time began within so many windows of the version's first."""


def examine(view: View) -> Examined | None:
    """Surer where the version beside it does well at the same time.

    Where it did not begin with the version's first windows, only then.
    """
    result = view.result
    first = view.first_seen.get(result.version)
    older = elders_of(result.version, view.first_seen)
    if first is None or not older:
        return None
    before = older[-1]
    beside = _beside(view, before)
    is_new = first > view.first_seen[before]
    if is_new and view.starts_at - first <= FRESH_WINDOWS * (result.end - result.start):
        confidence = 0.65 if beside is None else 0.85 if beside[2] else 0.3
        why = f"it began with version {result.version}, first seen at {clock(first)}; "
    elif beside is not None and beside[2] and result.rows >= MIN_ROWS:
        # It took its time to show, but whatever the world does, the version beside it bears it.
        confidence, why = 0.7, f"it is version {result.version} alone, in the same traffic; "
    else:
        return None
    return examined(
        "new_version",
        confidence,
        f"{why}version {before} {_how(beside)}",
        evidence=_evidence(view, before, beside),
        suggestions=(
            Suggestion(
                text=f"Roll back to version {before}, or take version {result.version} out of the "
                "traffic, then compare what each was trained on and how it reads its inputs.",
            ),
        ),
    )


def _beside(view: View, version: str) -> tuple[float, float, bool] | None:
    """The first finding's metric there and here, and whether it is well there."""
    neighbour = view.versions.get(version)
    if neighbour is None:
        return None
    for found in view.findings:
        there = neighbour.now.get(found.metric)
        if there is not None:
            better = there - found.value if found.comparison in ("<", "<=") else found.value - there
            far = abs(found.value - found.threshold)
            return there, found.value, better >= 0.5 * far and better > 0
    return None


def _how(beside: tuple[float, float, bool] | None) -> str:
    if beside is None:
        return "served before it"
    there, here, is_well = beside
    if is_well:
        return f"beside it is at {number(there)}, this one at {number(here)}"
    return f"beside it is no better ({number(there)})"


def _evidence(
    view: View, version: str, beside: tuple[float, float, bool] | None
) -> tuple[Evidence, ...]:
    if beside is None:
        return ()
    metric = view.findings[0].metric
    return (
        Evidence(
            text=f"{metric}: version {version} {number(beside[0])}, version "
            f"{view.result.version} {number(beside[1])} in the same window",
            metric=metric,
            before=beside[0],
            after=beside[1],
        ),
    )
