"""An alert event: one transition of one incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA = "inferwatch.alert/1"


class Status(StrEnum):
    """Where the incident is now."""

    FIRING = "firing"
    RESOLVED = "resolved"
    CORRECTED = "corrected"


class Severity(StrEnum):
    """Who hears of it: a page wakes somebody, a ticket waits for the morning."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class AlertKind(StrEnum):
    """What went wrong, as the one who is paged would sort it."""

    QUALITY = "quality"
    LATENCY = "latency"
    ERRORS = "errors"
    RESOURCE = "resource"
    INPUT_DRIFT = "input_drift"
    OUTPUT_DRIFT = "output_drift"
    DATA_QUALITY = "data_quality"
    COLLAPSE = "collapse"
    OVERFIT = "overfit"
    UNDERFIT = "underfit"
    VOLUME = "volume"
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One measured fact that speaks for a cause."""

    text: str
    metric: str
    before: float | str | None = None
    after: float | str | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One possible cause, how sure we are (0..1) and why, in words."""

    cause: str
    confidence: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What to do next; a command or a link where it helps."""

    text: str
    command: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertWindow:
    """The window that made the transition."""

    window: str
    start: int
    end: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One transition. A reader that sees (incident, status, revision if corrected) again acts once.

    `fingerprint` is 16 hex digits, stable over restarts, workers and replays; one incident has
    one `starts_at`. Times are milliseconds since the epoch.
    """

    fingerprint: str
    incident: str
    status: Status
    severity: Severity
    starts_at: int
    ends_at: int | None
    updated_at: int
    rule: str
    kind: AlertKind
    model: str
    version: str
    segment: str | None
    window: AlertWindow
    metric: str
    value: float | None
    baseline: float | None
    threshold: float | None
    rows: int
    completeness: float | None
    labels: Mapping[str, str]
    summary: str
    evidence: Sequence[Evidence] = ()
    causes: Sequence[Cause] = ()
    suggestions: Sequence[Suggestion] = ()
    runbook_url: str | None = None
    dashboard_url: str | None = None
    schema: str = field(default=SCHEMA)
