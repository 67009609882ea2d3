"""The body of a webhook: Alertmanager's own (version 4), with the whole alert event beside it.

A receiver that understands Alertmanager's webhooks understands this one; `schema` is the version
of what stands beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from consumers.notifier.notification import Notification
from consumers.notifier.transition import Transition

SCHEMA = "inferwatch.notification/1"
_NEVER_ENDED = "0001-01-01T00:00:00Z"


def webhook_body(message: Notification, max_alerts: int = 0) -> bytes:
    """The body of a message: the same bytes at every try."""
    return orjson.dumps(payload_of(message, max_alerts))


def payload_of(message: Notification, max_alerts: int = 0) -> dict[str, Any]:
    """The body as plain values."""
    alerts = message.alerts[:max_alerts] if max_alerts else message.alerts
    status = "firing" if message.firing else "resolved"
    return {
        "schema": SCHEMA,
        "id": message.id,
        "type": f"alerts.{status}",
        "timestamp": rfc3339(message.at),
        "reason": message.reason,
        **_why_here(message),
        "version": "4",
        "groupKey": message.group_key,
        "truncatedAlerts": len(message.alerts) - len(alerts),
        "status": status,
        "receiver": message.receiver,
        "groupLabels": dict(message.group_labels),
        "commonLabels": message.common_labels(),
        "commonAnnotations": _common(message.alerts),
        "externalURL": "",
        "alerts": [_alert(a) for a in alerts],
    }


def _why_here(message: Notification) -> dict[str, Any]:
    if message.instead_of is not None:
        return {"insteadOf": {"receiver": message.instead_of, "text": message.preface}}
    if message.digest_since is not None:
        return {"digest": {"since": rfc3339(message.digest_since), "text": message.preface}}
    if message.escalated is None:
        return {}
    step, since = message.escalated
    return {"escalation": {"step": step, "since": rfc3339(since), "text": message.preface}}


def annotations_of(alert: Transition) -> dict[str, str]:
    """What Prometheus calls annotations: the sentence and the links."""
    found = {"summary": alert.summary}
    for key in ("runbook_url", "dashboard_url"):
        if isinstance(alert.event.get(key), str):
            found[key] = alert.event[key]
    return found


def rfc3339(ms: int) -> str:
    """A time as Alertmanager writes it.

    >>> rfc3339(1764000000123)
    '2025-11-24T16:00:00.123Z'
    """
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _alert(alert: Transition) -> dict[str, Any]:
    return {
        "status": "firing" if alert.open else "resolved",
        "labels": dict(alert.labels),
        "annotations": annotations_of(alert),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": _NEVER_ENDED if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": alert.event.get("dashboard_url") or "",
        "fingerprint": alert.fingerprint,
        "incident": alert.incident,
        "event": dict(alert.event),
    }


def _common(alerts: tuple[Transition, ...]) -> Mapping[str, str]:
    if not alerts:
        return {}
    first, *rest = (annotations_of(a) for a in alerts)
    return {k: v for k, v in first.items() if all(r.get(k) == v for r in rest)}
