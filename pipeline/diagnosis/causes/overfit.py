"""The model was never as good as in training."""

from __future__ import annotations

from math import sqrt

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.columns import broken_inputs
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number

GAP = 0.08
FELL = 0.04
"""Accuracy that was better than this by so much before did fall, and was not born low."""
MOSTLY = 0.4
"""Of what is missing to training a fall may be so much: the rest was missing from the first."""


def trained_accuracy(view: View) -> float | None:
    """Accuracy in training: what the config says, else the reference."""
    told = view.expect.get("train_accuracy")
    if told is None and view.reference is not None:
        told = view.reference.performance.get("train_accuracy")
    return told


def best_before(view: View) -> float | None:
    """Accuracy before the bad time: usual, or at first where it has decayed since."""
    metric = "quality.accuracy"
    known = [levels[metric] for levels in (view.usual, view.early) if metric in levels]
    return max(known, default=None)


def did_fall(view: View, usual: float, now: float, most: float = FELL) -> bool:
    """Whether accuracy fell by more than `most`, and by more than chance makes of one window."""
    labelled = max(1.0, view.now.get("quality.labelled", 1.0))
    chance = 2 * sqrt(max(0.0, now * (1 - now)) / labelled)
    return usual - now > max(FELL + chance, most)


def examine(view: View) -> Examined | None:
    """Training far above production, and production as low from the first window on."""
    trained, now = trained_accuracy(view), view.now.get("quality.accuracy")
    if view.kind is not AlertKind.QUALITY or trained is None or now is None:
        return None
    if trained - now < GAP or broken_inputs(view):
        return None
    usual = best_before(view)
    if usual is not None and (
        trained - usual < GAP or did_fall(view, usual, now, MOSTLY * (trained - now))
    ):
        return None
    # Without a past it may have been better before we looked.
    confidence = min(0.9, (0.7 if usual is None else 0.8) + 0.5 * (trained - now - GAP))
    since = "from the first window on" if usual is None else f"and has been ({number(usual)})"
    return examined(
        "overfit",
        confidence,
        f"accuracy was {number(trained)} in training and is {number(now)} here {since}: the model "
        "has probably learned its training data by heart",
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
                text="Nothing broke just now: no roll-back will help unless an older version was "
                "better. Check the split of training and validation data for leaks.",
            ),
            Suggestion(
                text="Retrain with stronger regularisation or more data, and judge it on data "
                "from after the training period.",
            ),
        ),
    )
