"""All causes asked, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.causes import unknown
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
CAUSES: tuple[tuple[Examine, frozenset[AlertKind]], ...] = ()
MAX_CAUSES = 5
MIN_CONFIDENCE = 0.1


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
        _advice([s for a in answers[:2] for s in a.suggestions]),
    )


def _distinct(evidence: list[Evidence]) -> tuple[Evidence, ...]:
    return tuple({(e.metric, e.text): e for e in evidence}.values())[:12]


def _advice(suggestions: list[Suggestion]) -> tuple[Suggestion, ...]:
    return tuple({s.text: s for s in suggestions}.values())[:4]
