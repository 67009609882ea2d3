"""The world moved: inputs drifted, by as much as real ones do."""

from __future__ import annotations

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.columns import moved_inputs, pairs
from pipeline.diagnosis.commands import build_reference
from pipeline.diagnosis.shape import quantiles_of, shape_of
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number

GROSS = 0.6


def examine(view: View) -> Examined | None:
    """All features that drifted; less sure where one is so far off that it looks broken."""
    moved = moved_inputs(view)
    if not moved:
        return None
    ranked = sorted(moved, key=lambda name: (-moved[name], name))
    count, known = len(moved), len(view.result.features or {})
    gross = sum(size > GROSS for size in moved.values()) / count
    # Many inputs that move together are a population; one that leaps alone may be a fault.
    confidence = 0.5 + 0.2 * min(1.0, 2 * count / known) * (count > 1) - 0.1 * gross
    if view.kind is AlertKind.QUALITY:
        confidence -= 0.05
    proof = tuple(_evidence(view, name, moved[name]) for name in ranked[:5])
    if count == 1:
        what = f"of {known} inputs only {ranked[0]} moved ({_move(proof[0])})"
    else:
        what = f"{count} of {known} inputs moved, most of all {ranked[0]} ({_move(proof[0])})"
    why = f"{what}, as with other users, another season or a new client"
    return examined(
        "population_shift",
        confidence,
        why,
        evidence=proof,
        suggestions=(
            Suggestion(
                text=f"Ask what changed for the users: a campaign, a season, a new region or "
                f"client; compare {ranked[0]} by segment.",
            ),
            Suggestion(
                text="If the change is real and lasts, retrain on recent data and publish its "
                "reference; a threshold moved by hand only hides it.",
                command=build_reference(view),
            ),
        ),
    )


def _evidence(view: View, name: str, size: float) -> Evidence:
    pair = next(p for p in pairs(view) if p.name == name)
    window, shape = quantiles_of(pair.now), shape_of(pair.good)
    if window is None or shape is None:
        text = f"{name}: PSI {number(size)} against the reference"
        return Evidence(text=text, metric=f"{pair.metric}.psi", before=0.0, after=size)
    # The quantile that moved most says more than a median that stayed.
    moves = [abs(b - a) for a, b in zip(shape.quantiles, window, strict=True)]
    most = max((1, 2, 0), key=lambda i: moves[i])
    before, after = shape.quantiles[most], window[most]
    word = ("5th percentile", "median", "95th percentile")[most]
    return Evidence(
        text=f"{name}: {word} {number(before)} became {number(after)}, KS {number(size)}",
        metric=f"{pair.metric}.{('p05', 'p50', 'p95')[most]}",
        before=before,
        after=after,
    )


def _move(proof: Evidence) -> str:
    return proof.text.partition(": ")[2]
