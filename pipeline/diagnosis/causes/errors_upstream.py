"""The model server fails its requests."""

from __future__ import annotations

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.causes.load import is_flat
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import percent
from pipeline.rules.significance import rate_at_least

METRIC = "latency.error_rate"


def examine(view: View) -> Examined | None:
    """The error rate is up beyond chance."""
    latency = view.result.latency
    now, usual = view.now.get(METRIC), view.usual.get(METRIC, 0.0)
    if latency is None or now is None or latency.count == 0:
        return None
    if rate_at_least(latency.errors, latency.count) <= usual + 0.005:
        return None
    direct = view.kind is AlertKind.ERRORS
    before = f", usually {percent(usual)}" if usual else ""
    flat = ", at the usual request rate" if is_flat(view) else ""
    return examined(
        "errors_upstream",
        (0.7 if direct else 0.4) + 0.2 * min(1.0, 2 * now),
        f"{percent(now)} of the requests fail at the model server ({latency.errors:,} of "
        f"{latency.count:,}{before}){flat}",
        evidence=(
            Evidence(
                text=f"error rate: {percent(usual) if usual else '0 %'} became {percent(now)}",
                metric=METRIC,
                before=usual,
                after=now,
                share=now,
            ),
        ),
        suggestions=(
            Suggestion(
                text="Read the model server's log from the first bad minute on, and see whether "
                "it restarts (memory, health checks) or something behind it is down.",
            ),
            Suggestion(
                text="If a release went out just before, roll it back.",
            ),
        ),
    )
