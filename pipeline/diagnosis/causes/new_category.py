"""A categorical feature has values that the reference never had."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from inferwatch.events.window import CategoricalBlock
from pipeline.diagnosis.columns import MIN_ROWS, Pair, pairs, shares_of
from pipeline.diagnosis.commands import build_reference
from pipeline.diagnosis.spike import DEFAULTS
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import names, percent

MIN_RATE = 0.01
ALL = 0.9
"""From here on it is not a new category but another coding: `schema_change`."""


def examine(view: View) -> Examined | None:
    """The feature with the largest share of unseen values."""
    found = sorted(((unseen_rate(p), p) for p in pairs(view)), key=lambda r: (-r[0], r[1].name))
    found = [(rate, pair) for rate, pair in found if MIN_RATE <= rate < ALL]
    if not found:
        return None
    rate, pair = found[0]
    new = new_values(pair)
    listed = f" ({names([repr(v) for v in new])})" if new else ""
    # "unknown" is no category of its own: `default_value` says what it is.
    filled_in = bool(new) and all(v.strip().lower() in DEFAULTS for v in new)
    return examined(
        "new_category",
        0.5 if filled_in else 0.55 + 0.4 * min(1.0, 2 * rate),
        f"{pair.name} came with values that the reference never had{listed}: a new client, "
        "country or product, or a new spelling",
        evidence=(evidence_of(pair, rate),),
        suggestions=(
            Suggestion(
                text=f"Find out whether the new values of {pair.name} are real (a new client, "
                "country or product) or misspelt; real ones need a model that was trained on them.",
            ),
            Suggestion(
                text="If they are real and expected, build and publish a new reference.",
                command=build_reference(view),
            ),
        ),
    )


def unseen_rate(pair: Pair) -> float:
    """The share of values that the reference never had; 0 where nothing is known of it."""
    now = pair.now
    if not isinstance(now, CategoricalBlock) or now.count < MIN_ROWS or pair.column is None:
        return 0.0
    return (now.unseen or 0) / now.count


def new_values(pair: Pair) -> list[str]:
    """Those of the ten largest that are new, the largest first."""
    known = shares_of(pair.column) or {}
    now = shares_of(pair.now) or {}
    return [value for value in now if value not in known and value != "__other__"]


def evidence_of(pair: Pair, rate: float) -> Evidence:
    """The share of unseen values."""
    new = new_values(pair)
    return Evidence(
        text=f"{pair.name}: {percent(rate)} of the values were never in the reference",
        metric=f"{pair.metric}.unseen_rate",
        before=0.0,
        after=new[0] if new else rate,
        share=rate,
    )
