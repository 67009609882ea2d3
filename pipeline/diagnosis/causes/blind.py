"""The monitoring itself lost rows: what it says of this window is in doubt."""

from __future__ import annotations

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.commands import STATUS
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import percent

INCOMPLETE = 0.98


def examine(view: View) -> Examined | None:
    """Rows are known to be lost: the whole story of an alert about it, a doubt in any other."""
    complete = view.result.completeness
    if complete is None or complete >= INCOMPLETE:
        return None
    lost = 1 - complete
    own = view.kind in (AlertKind.BLIND, AlertKind.VOLUME)
    return examined(
        "blind",
        (0.8 if own else 0.15) + 0.19 * min(1.0, 2 * lost),
        f"{percent(lost)} of the window's rows were sent but never arrived "
        f"({view.result.lost:,} rows)",
        evidence=(
            Evidence(
                text=f"{view.result.lost:,} of {view.result.rows + view.result.lost:,} rows are "
                "lost",
                metric="completeness",
                before=1.0,
                after=complete,
                share=lost,
            ),
        ),
        suggestions=(
            Suggestion(
                text="Look at the sidecars: a full queue drops rows, and each says why in its "
                "metrics; then at the broker's health and the worker's lag.",
                command=STATUS,
            ),
        ),
    )
