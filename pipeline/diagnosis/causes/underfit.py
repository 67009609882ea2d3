"""The model is too simple: low in training, and as low here."""

from __future__ import annotations

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.causes.label_problem import LABELS
from pipeline.diagnosis.causes.overfit import best_before, did_fall, trained_accuracy
from pipeline.diagnosis.columns import broken_inputs
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number
from pipeline.stats.guessing import poor_below

NEAR = 0.05


def examine(view: View) -> Examined | None:
    """Training is low (or hardly above always saying the commonest class), production near it."""
    trained, now = trained_accuracy(view), view.now.get("quality.accuracy")
    if view.kind is not AlertKind.QUALITY or trained is None or now is None:
        return None
    if trained - now > NEAR or broken_inputs(view):
        return None
    usual = best_before(view)
    if usual is not None and did_fall(view, usual, now):
        return None
    guessing = max((v for k, v in view.now.items() if k.startswith(LABELS)), default=0.0)
    if trained > poor_below(guessing):
        return None
    against = (
        f"; always saying the commonest class would reach {number(guessing)}" if guessing else ""
    )
    return examined(
        "underfit",
        0.75,
        f"accuracy was only {number(trained)} in training and is {number(now)} here: the model "
        f"is probably too simple for the task{against}",
        evidence=(
            Evidence(
                text=f"accuracy {number(trained)} in training, {number(now)} in production",
                metric="quality.accuracy",
                before=trained,
                after=now,
            ),
        ),
        suggestions=(
            Suggestion(
                text="Nothing broke just now. Train a richer model or add features, and compare "
                "it with always saying the commonest class before it is served.",
            ),
        ),
    )
