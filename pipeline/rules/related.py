"""What fires at the same time for the same reason: one fault, of which an alert tells the others.

A broken column drifts, moves the output and lowers the quality, and each of these alerts may have
another severity and another receiver; so each stays an incident of its own (`incident` and status
make a transition, and one incident has one `starts_at`). What on-call must know is that it is one
thing, and where it begins: by the order of causes, the data before the output before the quality.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from inferwatch.events.alert import Alert, AlertKind, Evidence, Suggestion
from pipeline.diagnosis.view import Diagnosis
from pipeline.diagnosis.wording import clock
from pipeline.rules.readings import feature_of
from pipeline.rules.summary import SURE_ENOUGH

ORDER = (
    AlertKind.DATA_QUALITY,
    AlertKind.INPUT_DRIFT,
    AlertKind.OUTPUT_DRIFT,
    AlertKind.COLLAPSE,
    AlertKind.QUALITY,
)
"""What brings about what; other kinds follow from none of these."""
TOLD = ORDER[:-1]
"""What is told of. Nothing follows from the quality, and how far it is judged depends on labels."""
MAX_TOLD = 3
UNKNOWN = "unknown"

Story = Mapping[str, Any]
"""What is kept of an alert that fired: it (`alert`) and what it showed then (`shows`)."""


def shown(alert: Alert) -> list[Any]:
    """First cause, its confidence and the column it is about, as they were when it fired."""
    first = alert.causes[0]
    return [first.cause, first.confidence, _column(alert.evidence)]


def with_related(diagnosis: Diagnosis, kind: AlertKind, others: Iterable[Story]) -> Diagnosis:
    """The diagnosis, with what fires too and tells of the same fault.

    Args:
        diagnosis: of the alert that fires.
        kind: of that alert, by its metric.
        others: what was told of other incidents of the same version, at the same time.
    """
    found = sorted(
        (story["alert"] for story in others if _is_same(diagnosis, kind, story)),
        key=lambda alert: (_place(alert), alert["starts_at"], alert["incident"]),
    )
    if not found:
        return diagnosis
    advice = diagnosis.suggestions
    if _place(found[0]) < ORDER.index(kind):
        advice = (*advice, _as_advice(found[0]))
    told = tuple(_as_evidence(alert) for alert in found[:MAX_TOLD])
    return replace(diagnosis, evidence=(*diagnosis.evidence, *told), suggestions=advice)


def _is_same(diagnosis: Diagnosis, kind: AlertKind, story: Story) -> bool:
    if kind not in ORDER or story["alert"]["kind"] not in TOLD or "shows" not in story:
        return False
    first = diagnosis.causes[0]
    cause, confidence, column = story["shows"]
    if first.cause != cause or cause == UNKNOWN:
        return False
    # Two columns that broke alike are two faults.
    columns = {_column(diagnosis.evidence), column} - {None}
    return min(first.confidence, confidence) >= SURE_ENOUGH and len(columns) < 2


def _column(evidence: Iterable[Evidence]) -> str | None:
    named = (feature_of(fact.metric) for fact in evidence)
    return next((name for name in named if name is not None), None)


def _place(alert: Mapping[str, Any]) -> int:
    return ORDER.index(AlertKind(alert["kind"]))


def _as_evidence(alert: Mapping[str, Any]) -> Evidence:
    return Evidence(
        text=f"{alert['rule']} ({alert['severity']}) fires since {clock(alert['starts_at'])} with "
        f"the same first cause: one fault, incident {alert['incident']}",
        metric=alert["metric"],
        before=alert["baseline"],
        after=alert["value"],
    )


def _as_advice(first: Mapping[str, Any]) -> Suggestion:
    return Suggestion(
        text=f"See {first['rule']} ({first['metric']}) too: this follows from it and ends with it.",
        command=shlex.join(["inferwatch", "alerts", "show", first["incident"]]),
    )
