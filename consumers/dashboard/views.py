"""The state as the API and the event stream show it: plain values, ready for JSON."""

from __future__ import annotations

from typing import Any

from consumers.dashboard.head import Head
from consumers.dashboard.incidents import Incident

SHOWN = (
    "completeness",
    "estimated.accuracy",
    "latency.p50_ms",
    "latency.p99_ms",
    "latency.requests_per_s",
    "quality.label_coverage",
)
"""Numbers of the newest window that a list shows beside those of the trail."""

_STEP = ("start", "rows", "quality", "p95_ms", "error_rate", "drift")


def series_view(head: Head) -> dict[str, Any]:
    """Which series, and how far it has come."""
    s = head.series
    return {
        "model": s.model,
        "version": s.version,
        "segment": s.segment,
        "window": s.window,
        "start": head.start,
        "end": head.end,
    }


def head_view(head: Head) -> dict[str, Any]:
    """A series with its newest numbers; `quality` is the newest window's that has labels."""
    last = head.trail[-1] if head.trail else None
    return {
        **series_view(head),
        "window_ms": head.series.size_ms,
        "slide_ms": head.series.slide_ms,
        "provisional": head.provisional,
        "reference": head.reference,
        "quality_metric": head.quality,
        "latest": {
            "rows": last.rows if last else None,
            "quality": next(
                (s.quality for s in reversed(head.trail) if s.quality is not None), None
            ),
            "p95_ms": last.p95_ms if last else None,
            "error_rate": last.error_rate if last else None,
            "drift": last.drift if last else None,
            **{name: head.values[name] for name in SHOWN if name in head.values},
        },
    }


def trail_view(head: Head) -> dict[str, list[float | int | None]]:
    """The last windows as columns, for sparklines."""
    return {name: [getattr(step, name) for step in head.trail] for name in _STEP}


def window_view(head: Head, start: int) -> dict[str, Any]:
    """What the event of one folded window says: the series now, and the window that changed."""
    step = next((step for step in head.trail if step.start == start), None)
    changed = None if step is None else {name: getattr(step, name) for name in _STEP}
    return {**head_view(head), "changed": start, "step": changed}


def incident_view(incident: Incident) -> dict[str, Any]:
    """An incident: its newest alert, whether it goes on, and how it came to it."""
    alert = incident.alert
    w = alert.window
    return {
        "incident": alert.incident,
        "fingerprint": alert.fingerprint,
        "firing": incident.firing,
        "status": alert.status,
        "severity": alert.severity,
        "kind": alert.kind,
        "rule": alert.rule,
        "model": alert.model,
        "version": alert.version,
        "segment": alert.segment,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "updated_at": alert.updated_at,
        "summary": alert.summary,
        "metric": alert.metric,
        "value": alert.value,
        "baseline": alert.baseline,
        "threshold": alert.threshold,
        "rows": alert.rows,
        "completeness": alert.completeness,
        "window": {"window": w.window, "start": w.start, "end": w.end, "revision": w.revision},
        "labels": dict(alert.labels),
        "evidence": list(alert.evidence),
        "causes": list(alert.causes),
        "suggestions": list(alert.suggestions),
        "runbook_url": alert.runbook_url,
        "dashboard_url": alert.dashboard_url,
        "transitions": list(incident.transitions),
    }
