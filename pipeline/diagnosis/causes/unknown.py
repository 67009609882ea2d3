"""Nothing stands out: say so, and where to look."""

from __future__ import annotations

from inferwatch.events.alert import Suggestion
from pipeline.diagnosis.view import Examined, View, examined


def examine(view: View) -> Examined:
    """Never silent: it is asked when every other cause had nothing to say."""
    if view.reference is None and view.before is None:
        why = "there is no reference and no calm window yet to compare with, so no cause is known"
    else:
        why = "inputs, outputs and service look as usual, so no cause stands out"
    model = view.result.model
    return examined(
        "unknown",
        0.1,
        why,
        suggestions=(
            Suggestion(
                text="Look at what was deployed or changed upstream just before the first bad "
                "window, and compare the model's windows before and after.",
                command="inferwatch status",
            ),
            Suggestion(
                text="Publish a reference profile, so that the next alert can say what differs.",
                command=f"inferwatch reference build --model {model} --model-version "
                f"{view.result.version} --data FILE",
            ),
        )
        if view.reference is None
        else (
            Suggestion(
                text="Look at what was deployed or changed upstream just before the first bad "
                "window, and compare the model's windows before and after.",
                command="inferwatch status",
            ),
        ),
    )
