"""A feature no longer varies: the sensor, the cache or the feed behind it hangs."""

from __future__ import annotations

from inferwatch.events.alert import Suggestion
from pipeline.diagnosis.causes.default_value import evidence_of
from pipeline.diagnosis.spike import spikes
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import names


def examine(view: View) -> Examined | None:
    """The features of which (nearly) every value is the same one, and was not before."""
    found = [s for s in spikes(view) if s.is_stuck]
    if not found:
        return None
    first = found[0]
    name = first.pair.name
    why = f"{name} no longer varies: every value is {first.value}"
    if len(found) > 1:
        why += f"; {names([s.pair.name for s in found[1:]])} no longer vary either"
    return examined(
        "stuck_value",
        # A constant that programs fill in may as well be a default.
        0.93 if not first.is_default else 0.88,
        why,
        evidence=tuple(evidence_of(s) for s in found[:3]),
        suggestions=(
            Suggestion(
                text=f"Check the source of {name}: a feed, cache or sensor that stopped updating; "
                "look at the time of its last real change.",
            ),
            Suggestion(
                text=f"Restart or fail over that source; until then treat {name} as unknown.",
            ),
        ),
    )
