"""PagerDuty: Events API v2, an event for each alert.

Limits: a summary of 1,024 characters, a dedup key of 255, an event of 512 KB. The dedup key is the
incident's, so that every try, and the resolution, mean the same PagerDuty alert.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from consumers.notifier.channels.each import EachAlert
from consumers.notifier.channels.http_post import Poster
from consumers.notifier.channels.interface import Sent
from consumers.notifier.channels.webhook_payload import rfc3339
from consumers.notifier.notification import Notification
from consumers.notifier.page import cut, page_of, page_text
from consumers.notifier.templates import fill
from consumers.notifier.text import prefaced
from consumers.notifier.transition import Transition
from inferwatch.settings.notify.channels import PagerdutySettings

SUMMARY_CHARACTERS = 1024
DEDUP_CHARACTERS = 255
EVENT_BYTES = 512_000
_SEVERITIES = {"page": "critical", "ticket": "warning", "info": "info"}


class PagerdutyChannel:
    """Sends events with one routing key."""

    def __init__(self, settings: PagerdutySettings) -> None:
        """Keep the address and the key."""
        self._settings = settings
        self._poster = Poster(settings.url.get_secret_value(), settings.timeout)
        self._each = EachAlert(settings.timeout)

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`; events that were taken before a failure do no harm when sent again."""
        await self._each.send(message, partial(self._send_one, message))
        return Sent(f"{len(message.firing)} triggered, {len(message.resolved)} resolved")

    async def _send_one(self, message: Notification, alert: Transition) -> None:
        await self._poster.post(event_body(alert, self._settings, message), {})

    async def close(self) -> None:
        """See `Channel`."""
        await self._poster.close()


def dedup_key(incident: str) -> str:
    """The key of an incident: its own name, or a hash of it where that is too long.

    >>> dedup_key("i1"), len(dedup_key("i" * 256))
    ('i1', 64)
    """
    if len(incident.encode()) <= DEDUP_CHARACTERS:
        return incident
    return hashlib.sha256(incident.encode()).hexdigest()


def event_body(alert: Transition, settings: PagerdutySettings, message: Notification) -> bytes:
    """The event of an alert of a message, within all limits."""
    page = page_of(alert)
    summary = fill(settings.description, message, alert=alert) or page.headline
    event: dict[str, Any] = {
        "routing_key": settings.routing_key.get_secret_value(),
        "event_action": "trigger" if alert.open else "resolve",
        "dedup_key": dedup_key(alert.incident),
        "client": settings.client,
        "client_url": settings.client_url,
        "links": [{"href": url, "text": name} for name, url in page.links],
        "payload": {
            "summary": cut(" ".join(message.titled(summary).split()), SUMMARY_CHARACTERS),
            "source": _source(alert.event),
            "severity": settings.severity or _SEVERITIES.get(alert.severity, "error"),
            "timestamp": rfc3339(alert.starts_at),
            "component": alert.event.get("model"),
            "class": alert.event.get("kind"),
            "custom_details": {
                "page": cut(prefaced(message, page_text(page)), 20_000),
                "labels": dict(alert.labels),
                "alert": dict(alert.event),
            },
        },
    }
    details = event["payload"]["custom_details"]
    # What is largest and needed least goes first.
    for part in ("alert", "labels", "page"):
        body = orjson.dumps(event)
        if len(body) < EVENT_BYTES:
            return body
        details[part] = "left out: the event would be larger than PagerDuty takes"
    event["links"] = []
    return orjson.dumps(event)


def _source(event: Mapping[str, Any]) -> str:
    parts = [event.get("model"), event.get("version"), event.get("segment")]
    return cut("/".join(str(p) for p in parts if p is not None) or "inferwatch", SUMMARY_CHARACTERS)
