"""A feature comes empty more often than it did."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.columns import Pair, pairs
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import names, percent
from pipeline.rules.significance import count_limit

LEAST = 0.005
"""The smallest rise that matters, as a share of the rows: the detector's own."""
ALL = 0.98
"""From here on the column is gone, which `schema_change` says."""


def examine(view: View) -> Examined | None:
    """The feature with the largest rise beyond chance; surer the larger the rise."""
    found = sorted(((_rise(p), p) for p in pairs(view)), key=lambda r: (-r[0], r[1].name))
    found = [(rise, pair) for rise, pair in found if rise > 0]
    if not found:
        return None
    rise, pair = found[0]
    usual = percent(pair.missing_before()) if pair.missing_before() else "none"
    why = f"{percent(pair.now.missing / pair.rows)} of {pair.name} is missing, usually {usual}"
    if len(found) > 1:
        why += f"; {names([p.name for _, p in found[1:]])} too"
    return examined(
        "missing_values",
        0.5 + 0.45 * rise**0.5,
        why,
        evidence=tuple(_evidence(p) for _, p in found[:3]),
        suggestions=(
            Suggestion(
                text=f"Find where {pair.name} gets lost: a join or look-up that fails, a client "
                "that no longer sends it, or a renamed field; see if all bad rows share a client.",
            ),
            Suggestion(
                text=f"Check what the model does with an empty {pair.name}; if it fills in a "
                "default, hold back decisions that depend on it until the field is back.",
            ),
        ),
    )


def _rise(pair: Pair) -> float:
    if not pair.rows or pair.good is None:
        return 0.0
    rate, before = pair.now.missing / pair.rows, pair.missing_before()
    beyond_chance = pair.now.missing > count_limit(pair.rows, pair.good.missing, pair.rows_before)
    rise = rate - before
    return rise if beyond_chance and rise >= LEAST and rate < ALL else 0.0


def _evidence(pair: Pair) -> Evidence:
    rate, before = pair.now.missing / pair.rows, pair.missing_before()
    return Evidence(
        text=f"{pair.name}: {percent(rate)} of the rows are without a value, "
        f"{percent(before)} before",
        metric=f"{pair.metric}.missing_rate",
        before=before,
        after=rate,
        share=rate,
    )
