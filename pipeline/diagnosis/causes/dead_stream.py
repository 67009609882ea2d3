"""Nothing comes any more."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.commands import STATUS
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number, percent

NEARLY_NOTHING = 0.2


def examine(view: View) -> Examined | None:
    """Predictions or requests fell to a fifth of the usual, or to nothing."""
    for metric, word in (("rows", "predictions"), ("latency.requests_per_s", "requests a second")):
        usual = view.usual.get(metric)
        now = view.now.get(metric, 0.0)
        if not usual or now > NEARLY_NOTHING * usual:
            continue
        requests = view.now.get("latency.requests_per_s")
        before = view.usual.get("latency.requests_per_s")
        served = metric == "rows" and requests and before and requests > 0.7 * before
        why = f"only {number(now)} {word} came, usually {number(usual)}"
        if served:
            why += ", while requests are still served: their predictions are not published"
        return examined(
            "dead_stream",
            0.65 + 0.3 * (1 - now / usual),
            why,
            evidence=(
                Evidence(
                    text=f"{word}: {number(usual)} became {number(now)}",
                    metric=metric,
                    before=usual,
                    after=now,
                    share=now / usual,
                ),
            ),
            suggestions=(
                Suggestion(
                    text="Look whether the traffic itself stopped (gateway, client, a release), or "
                    "only its reporting: is the sidecar running, and does it reach the broker?",
                    command=STATUS,
                ),
                Suggestion(
                    text=f"Of the {percent(1 - now / usual)} that is gone, see if another version "
                    "took it over.",
                ),
            ),
        )
    return None
