"""Alertmanager: alerts handed on to a Prometheus Alertmanager, by its API v2.

An Alertmanager forgets an alert that nobody repeats, so each one that fires carries an end a few
minutes ahead, and is sent again well before that.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from consumers.notifier.channels.http_post import Poster
from consumers.notifier.channels.interface import Sent
from consumers.notifier.channels.webhook_payload import annotations_of, rfc3339
from consumers.notifier.notification import Notification
from consumers.notifier.page import page_of, page_text
from consumers.notifier.transition import Transition
from inferwatch.settings.notify.channels import RENEW_MS, AlertmanagerSettings

# As Prometheus does: three repetitions may be lost.
LIVES_MS = 4 * RENEW_MS


class AlertmanagerChannel:
    """Posts alerts to one Alertmanager."""

    def __init__(self, settings: AlertmanagerSettings) -> None:
        """Keep the address."""
        base = settings.url.get_secret_value().rstrip("/")
        self._poster = Poster(f"{base}/api/v2/alerts", settings.timeout)

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        body = orjson.dumps([posted_alert(alert, now) for alert in message.alerts])
        return Sent(await self._poster.post(body, {}))

    async def close(self) -> None:
        """See `Channel`."""
        await self._poster.close()


def posted_alert(alert: Transition, now: int) -> dict[str, Any]:
    """An alert as Alertmanager takes it."""
    ends_at = now + LIVES_MS if alert.open else min(alert.ends_at or now, now)
    return {
        "labels": {_name(k): v for k, v in alert.labels.items() if v},
        "annotations": {**annotations_of(alert), "description": page_text(page_of(alert))},
        "startsAt": rfc3339(min(alert.starts_at, ends_at)),
        "endsAt": rfc3339(ends_at),
        "generatorURL": alert.event.get("dashboard_url") or "",
    }


def _name(label: str) -> str:
    """A name that every version of Alertmanager accepts."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", label if not label[:1].isdigit() else f"_{label}")
