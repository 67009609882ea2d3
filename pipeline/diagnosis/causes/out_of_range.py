"""Values outside everything that the reference ever had."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from inferwatch.events.reference import NumericReference
from inferwatch.events.window import NumericBlock
from pipeline.diagnosis.columns import MIN_ROWS, Pair, pairs
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number, percent

MIN_RATE = 0.02


def examine(view: View) -> Examined | None:
    """The feature with the largest share outside; never sure, as a unit explains it better."""
    found = sorted(((_rate(p), p) for p in pairs(view)), key=lambda r: (-r[0], r[1].name))
    if not found or found[0][0] < MIN_RATE:
        return None
    rate, pair = found[0]
    column, now = pair.column, pair.now
    assert isinstance(column, NumericReference) and isinstance(now, NumericBlock)
    return examined(
        "out_of_range",
        0.3 + 0.25 * rate,
        f"{percent(rate)} of {pair.name} lies outside the reference's {number(column.min)} to "
        f"{number(column.max)} (now {number(now.min)} to {number(now.max)})",
        evidence=(
            Evidence(
                text=f"{pair.name}: {percent(rate)} of the values lie outside the reference's "
                "range",
                metric=f"{pair.metric}.out_of_range_rate",
                before=0.0,
                after=rate,
                share=rate,
            ),
        ),
        suggestions=(
            Suggestion(
                text=f"Look at the raw requests with the largest and smallest {pair.name}: are "
                "they possible values? If not, the sender or a parser is wrong.",
            ),
        ),
    )


def _rate(pair: Pair) -> float:
    now = pair.now
    if not isinstance(now, NumericBlock) or not isinstance(pair.column, NumericReference):
        return 0.0
    return (now.out_of_range or 0) / now.count if now.count >= MIN_ROWS else 0.0
