"""The request itself changed: a column of another type, renamed, gone, or coded anew."""

from __future__ import annotations

from dataclasses import dataclass

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.causes.new_category import ALL as ALL_UNSEEN
from pipeline.diagnosis.causes.new_category import evidence_of, new_values, unseen_rate
from pipeline.diagnosis.columns import Pair, pairs
from pipeline.diagnosis.commands import show_reference
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import names, percent

GONE = 0.98
MIN_MISMATCH = 0.02
MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Break:
    """What broke about one column."""

    pair: Pair
    confidence: float
    why: str
    evidence: Evidence


def examine(view: View) -> Examined | None:
    """The worst break; columns that the reference does not know are named as a likely new name."""
    found = [b for pair in pairs(view) if pair.rows >= MIN_ROWS for b in _breaks(pair)]
    if not found:
        return None
    found.sort(key=lambda b: (-b.confidence, b.pair.name))
    first = found[0]
    why = first.why
    fresh = _unknown_columns(view)
    if fresh and first.evidence.metric.endswith("missing_rate"):
        why += f", while {names(fresh)} came that the reference does not know: renamed?"
    elif len(found) > 1:
        others = sorted({b.pair.name for b in found[1:]} - {first.pair.name})
        why += f"; {names(others)} changed too" if others else ""
    name = first.pair.name
    return examined(
        "schema_change",
        first.confidence,
        why,
        evidence=tuple(b.evidence for b in found[:3]),
        suggestions=(
            Suggestion(
                text=f"Compare one raw request of today with one from before: how is {name} "
                "written? Roll the client or the gateway that changed it back.",
            ),
            Suggestion(
                text="If the change is meant, the model server must read the new form, and a new "
                "reference must be published with it.",
                command=show_reference(view),
            ),
        ),
    )


def _breaks(pair: Pair) -> list[Break]:
    found = []
    name, now, rows = pair.name, pair.now, pair.rows
    mismatch = now.type_mismatch / rows
    if mismatch >= MIN_MISMATCH:
        proof = Evidence(
            text=f"{name}: {percent(mismatch)} of the values have the wrong type",
            metric=f"{pair.metric}.type_mismatch_rate",
            before=0.0,
            after=mismatch,
            share=mismatch,
        )
        why = f"{percent(mismatch)} of {name} has another type than the model was trained on"
        found.append(Break(pair, 0.65 + 0.33 * mismatch, why, proof))
    missing, before = now.missing / rows, pair.missing_before()
    if missing >= GONE and before < 0.5:
        proof = Evidence(
            text=f"{name}: {percent(missing)} of the rows are without a value, "
            f"{percent(before)} before",
            metric=f"{pair.metric}.missing_rate",
            before=before,
            after=missing,
            share=missing,
        )
        found.append(Break(pair, 0.95, f"{name} is gone from the requests", proof))
    unseen = unseen_rate(pair)
    if unseen >= ALL_UNSEEN:
        new = new_values(pair)
        example = f" (now {names([repr(v) for v in new])})" if new else ""
        why = f"none of the values of {name} is known any more: its coding changed{example}"
        found.append(Break(pair, 0.85, why, evidence_of(pair, unseen)))
    return found


def _unknown_columns(view: View) -> list[str]:
    if view.reference is None:
        return []
    return sorted(set(view.result.features or {}) - set(view.reference.features))
