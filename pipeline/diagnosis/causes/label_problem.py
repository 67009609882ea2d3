"""The labels are wrong or cut short, not the model."""

from __future__ import annotations

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.columns import broken_inputs, moved_inputs, output_moved
from pipeline.diagnosis.view import Examined, Levels, View, examined
from pipeline.diagnosis.wording import percent

LABELS = "quality.labels."
MIX = 0.12
"""Total variation of the label mix that is more than a bad window's."""


def examine(view: View) -> Examined | None:
    """The mix of labels moved while the answers did not; or far fewer labels came."""
    if view.kind is not AlertKind.QUALITY:
        return None
    mixed = _mix_moved(view)
    if mixed is not None:
        return mixed
    coverage, usual = (
        view.now.get("quality.label_coverage"),
        view.usual.get("quality.label_coverage"),
    )
    if coverage is None or not usual or coverage > 0.6 * usual:
        return None
    return examined(
        "label_problem",
        0.45,
        f"only {percent(coverage)} of the rows have a label, usually {percent(usual)}: the labels "
        "that came may not stand for all",
        evidence=(
            Evidence(
                text=f"label coverage {percent(usual)} became {percent(coverage)}",
                metric="quality.label_coverage",
                before=usual,
                after=coverage,
            ),
        ),
        suggestions=_suggestions(),
    )


def _mix_moved(view: View) -> Examined | None:
    before, now = _mix(view.usual), _mix(view.now)
    if not before or not now or moved_inputs(view) or broken_inputs(view) or output_moved(view):
        return None
    classes = sorted({*before, *now})
    moves = {c: now.get(c, 0.0) - before.get(c, 0.0) for c in classes}
    if sum(abs(m) for m in moves.values()) / 2 < MIX:
        return None
    most = max(classes, key=lambda c: (abs(moves[c]), c))
    return examined(
        "label_problem",
        0.7,
        f"{percent(now.get(most, 0.0))} of the labels say {most!r}, usually "
        f"{percent(before.get(most, 0.0))}, while inputs and answers are as usual: the labels are "
        "probably wrong",
        evidence=(
            Evidence(
                text=f"labels {most!r}: {percent(before.get(most, 0.0))} became "
                f"{percent(now.get(most, 0.0))}",
                metric=f"{LABELS}{most}",
                before=round(before.get(most, 0.0), 4),
                after=round(now.get(most, 0.0), 4),
                share=round(now.get(most, 0.0), 4),
            ),
        ),
        suggestions=_suggestions(),
    )


def _mix(levels: Levels) -> dict[str, float]:
    return {k.removeprefix(LABELS): v for k, v in levels.items() if k.startswith(LABELS)}


def _suggestions() -> tuple[Suggestion, ...]:
    return (
        Suggestion(
            text="Check the job that makes the labels: its last run, the rows it skipped, a "
            "changed definition or a flipped sign; compare a few labels with the truth by hand.",
        ),
        Suggestion(
            text="Send the right labels again: they replace the wrong ones, and the alert "
            "corrects itself.",
        ),
    )
