"""One value was filled in where the real ones should be: zeros, "unknown", -999."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.shape import shape_of
from pipeline.diagnosis.spike import Spike, spikes
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import percent


def examine(view: View) -> Examined | None:
    """The value that took over most of a column, but not all of it."""
    found = [s for s in spikes(view) if not s.is_stuck]
    if not found:
        return None
    first = max(found, key=lambda s: (s.is_default, s.share, s.pair.name))
    name = first.pair.name
    confidence = (0.7 if first.is_default else 0.5) + 0.25 * first.share
    return examined(
        "default_value",
        confidence,
        f"{name} is {first.value} in {_share(first)} of the rows{_before(first)}: a default was "
        "probably filled in for the real value",
        evidence=tuple(evidence_of(s) for s in found[:3]),
        suggestions=(
            Suggestion(
                text=f"Look for the place that sets {name} to {first.value}: a failed look-up, an "
                "empty form field, a new client that does not know the real value.",
            ),
            Suggestion(
                text=f"Send {name} as missing instead of {first.value}, if it is not known.",
            ),
        ),
    )


def evidence_of(spike: Spike) -> Evidence:
    """The share of the one value, before and after."""
    usual = shape_of(spike.pair.good)
    return Evidence(
        text=f"{spike.pair.name}: {_share(spike)} of the values are {spike.value}{_before(spike)}",
        metric=f"{spike.pair.metric}.{'top' if usual is None else 'p50'}",
        before=spike.share_before if usual is None else usual.quantiles[1],
        after=spike.value,
        share=spike.share,
    )


def _share(spike: Spike) -> str:
    # The quantiles of a number prove only the least that the share can be.
    exact = spike.share_before is not None or spike.is_stuck
    return percent(spike.share) if exact else f"at least {percent(spike.share)}"


def _before(spike: Spike) -> str:
    return "" if spike.share_before is None else f", usually {percent(spike.share_before)}"
