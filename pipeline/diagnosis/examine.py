"""All causes asked, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.causes import (
    blind,
    concept_change,
    dead_stream,
    default_value,
    errors_upstream,
    label_problem,
    load,
    memory,
    missing_values,
    network,
    new_category,
    new_version,
    one_segment,
    out_of_range,
    overfit,
    population_shift,
    prediction_collapse,
    schema_change,
    stuck_value,
    swapped_columns,
    underfit,
    unit_change,
    unknown,
)
from pipeline.diagnosis.view import Diagnosis, Examined, View

Examine = Callable[[View], Examined | None]

_DATA = frozenset(
    {
        AlertKind.QUALITY,
        AlertKind.INPUT_DRIFT,
        AlertKind.OUTPUT_DRIFT,
        AlertKind.DATA_QUALITY,
        AlertKind.COLLAPSE,
    }
)
_SERVICE = frozenset({AlertKind.LATENCY, AlertKind.ERRORS, AlertKind.RESOURCE})
_QUALITY = frozenset({AlertKind.QUALITY, AlertKind.OVERFIT, AlertKind.UNDERFIT})
_VOLUME = frozenset({AlertKind.VOLUME, AlertKind.BLIND})
_ANY = frozenset(AlertKind)

CAUSES: tuple[tuple[Examine, frozenset[AlertKind]], ...] = (
    # What could bring about what: changed inputs make no request slow, and load no input drift.
    # Breaks of the request come first, what is wrong with the data next, the world last.
    (schema_change.examine, _DATA),
    (swapped_columns.examine, _DATA),
    (unit_change.examine, _DATA),
    (stuck_value.examine, _DATA),
    (default_value.examine, _DATA),
    (missing_values.examine, _DATA),
    (new_category.examine, _DATA),
    (out_of_range.examine, _DATA),
    (one_segment.examine, _DATA),
    (new_version.examine, _ANY),
    (prediction_collapse.examine, _DATA),
    (label_problem.examine, _QUALITY),
    (overfit.examine, _QUALITY),
    (underfit.examine, _QUALITY),
    (population_shift.examine, _DATA),
    (concept_change.examine, _QUALITY),
    (dead_stream.examine, _VOLUME),
    (load.examine, _SERVICE | {AlertKind.VOLUME}),
    (memory.examine, _SERVICE),
    (network.examine, _SERVICE),
    (errors_upstream.examine, _SERVICE | _VOLUME),
    (blind.examine, _ANY),
)
MAX_CAUSES = 5
MAX_EVIDENCE = 12
MAX_SUGGESTIONS = 4
MIN_CONFIDENCE = 0.1
NEARLY_AS_LIKELY = 0.7


def diagnose(view: View) -> Diagnosis:
    """Ask every cause that could bring this kind of alert about, and rank what they say.

    Equal confidence is ranked in the order of the table: what breaks the data first, what only
    shows it last.
    """
    found = [
        (rank, answer)
        for rank, (examine, kinds) in enumerate(CAUSES)
        if view.kind in kinds
        and (answer := examine(view)) is not None
        and answer.cause.confidence >= MIN_CONFIDENCE
    ]
    found.sort(key=lambda f: (-f[1].cause.confidence, f[0]))
    answers = [answer for _, answer in found[:MAX_CAUSES]] or [unknown.examine(view)]
    return Diagnosis(
        tuple(a.cause for a in answers),
        _distinct([e for a in answers for e in a.evidence]),
        _advice(answers),
    )


def _distinct(evidence: list[Evidence]) -> tuple[Evidence, ...]:
    first: dict[str, Evidence] = {}
    for fact in evidence:
        first.setdefault(fact.metric, fact)
    return tuple(first.values())[:MAX_EVIDENCE]


def _advice(answers: list[Examined]) -> tuple[Suggestion, ...]:
    """What to do about the first cause, and about a second that is nearly as likely."""
    surest = answers[0].cause.confidence
    near = [a for a in answers[:2] if a.cause.confidence >= NEARLY_AS_LIKELY * surest]
    return tuple({s.text: s for a in near for s in a.suggestions}.values())[:MAX_SUGGESTIONS]
