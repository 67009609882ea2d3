"""Nothing stands out: say so, and where to look."""

from __future__ import annotations

from inferwatch.events.alert import Suggestion
from pipeline.diagnosis.commands import STATUS, build_reference
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import clock


def examine(view: View) -> Examined:
    """Never silent: it is asked when every other cause had nothing to say."""
    if view.reference is None and view.before is None:
        why = "there is no reference and no calm window yet to compare with, so no cause is known"
    else:
        why = "inputs, outputs and service look as usual, so no cause stands out"
    look = Suggestion(
        text=f"Look at what was deployed or changed upstream just before {clock(view.starts_at)}, "
        "and compare the model's windows before and after on the dashboard.",
        command=STATUS,
    )
    if view.reference is not None:
        return examined("unknown", 0.1, why, suggestions=(look,))
    build = Suggestion(
        text="Publish a reference profile, so that the next alert can say what differs.",
        command=build_reference(view),
    )
    return examined("unknown", 0.1, why, suggestions=(look, build))
