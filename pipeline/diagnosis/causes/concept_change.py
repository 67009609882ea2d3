"""The world changed its mind: same inputs, same answers, other truth."""

from __future__ import annotations

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.columns import broken_inputs, moved_inputs, output_moved
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number


def examine(view: View) -> Examined | None:
    """Only for quality, and only where it is known that inputs and outputs are steady."""
    if view.kind is not AlertKind.QUALITY or not view.findings:
        return None
    # Without a reference of the inputs their steadiness is not known.
    if view.reference is None or not view.result.features:
        return None
    if moved_inputs(view) or broken_inputs(view):
        return None
    answers_moved = output_moved(view)
    confidence = 0.35 if answers_moved else 0.6
    steady = "inputs are" if answers_moved else "inputs and the answers are"
    worst = view.findings[0]
    return examined(
        "concept_change",
        confidence,
        f"all {len(view.result.features)} {steady} as usual while the truth differs: what the "
        "inputs mean for the outcome has probably changed",
        evidence=(
            Evidence(
                text=f"{worst.metric} is {number(worst.value)}"
                + ("" if worst.baseline is None else f", it was {number(worst.baseline)}")
                + ", with no input moved",
                metric=worst.metric,
                before=worst.baseline,
                after=worst.value,
            ),
        ),
        suggestions=(
            Suggestion(
                text="Look at rows that were predicted wrongly in the last windows: what do they "
                "have in common that the model does not see? First make sure that the labels "
                "themselves are right.",
            ),
            Suggestion(
                text="If the labels are right, retrain on data from after the change.",
            ),
        ),
    )
