"""Opsgenie: the alert API (v2), an Opsgenie alert for each incident.

The alias is the incident's, so that every try means the same Opsgenie alert, and the end of the
incident closes it. Limits: a message of 130 characters, an alias of 512, a description of 15,000,
details of 8,000 in all, 20 tags of 50 characters each.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson

from consumers.notifier.channels.each import EachAlert
from consumers.notifier.channels.http_post import Poster
from consumers.notifier.channels.interface import Sent
from consumers.notifier.notification import Notification
from consumers.notifier.page import Page, cut, page_of, page_text
from consumers.notifier.templates import fill
from consumers.notifier.text import prefaced
from consumers.notifier.transition import Transition
from inferwatch.settings.notify.channels import OpsgenieSettings

MESSAGE_CHARACTERS = 130
ALIAS_CHARACTERS = 512
DESCRIPTION_CHARACTERS = 15_000
DETAILS_CHARACTERS = 8_000
TAGS = 20
TAG_CHARACTERS = 50
_PRIORITIES = {"page": "P1", "ticket": "P3", "info": "P5"}


class OpsgenieChannel:
    """Opens and closes alerts with the key of one integration."""

    def __init__(self, settings: OpsgenieSettings) -> None:
        """Keep the address and the key."""
        self._settings = settings
        base = settings.api_url.get_secret_value().rstrip("/")
        self._poster = Poster(f"{base}/v2/alerts", settings.timeout)
        self._each = EachAlert(settings.timeout)
        self._headers = {"authorization": f"GenieKey {settings.api_key.get_secret_value()}"}

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`; what was taken before a failure does no harm when sent again."""
        await self._each.send(message, partial(self._send_one, message))
        return Sent(f"{len(message.firing)} opened, {len(message.resolved)} closed")

    async def _send_one(self, message: Notification, alert: Transition) -> None:
        if alert.open:
            body, path = create_body(alert, self._settings, message), ""
        else:
            body = orjson.dumps({"source": self._settings.source, "note": alert.summary[:1000]})
            path = f"/{quote(alias(alert.incident), safe='')}/close?identifierType=alias"
        await self._poster.ask(body, self._headers, path)

    async def close(self) -> None:
        """See `Channel`."""
        await self._poster.close()


def alias(incident: str) -> str:
    """The alias of an incident: its own name, or a hash of it where that is too long.

    >>> alias("i1"), len(alias("i" * 513))
    ('i1', 64)
    """
    if len(incident) <= ALIAS_CHARACTERS:
        return incident
    return hashlib.sha256(incident.encode()).hexdigest()


def create_body(alert: Transition, settings: OpsgenieSettings, message: Notification) -> bytes:
    """The request that opens an alert, within all limits."""
    page = page_of(alert)
    title = fill(settings.message, message, alert=alert) or page.headline
    text = fill(settings.description, message, alert=alert) or page_text(page)
    body: dict[str, Any] = {
        "message": cut(" ".join(message.titled(title).split()), MESSAGE_CHARACTERS),
        "alias": alias(alert.incident),
        "description": cut(prefaced(message, text), DESCRIPTION_CHARACTERS),
        "details": _details(alert, page),
        "source": settings.source,
        "priority": settings.priority or _PRIORITIES.get(alert.severity, "P3"),
        "tags": [cut(tag, TAG_CHARACTERS) for tag in settings.tag_list()[:TAGS]],
        "responders": [r.model_dump(exclude_none=True) for r in settings.responders],
    }
    if alert.event.get("model"):
        body["entity"] = cut(str(alert.event["model"]), ALIAS_CHARACTERS)
    return orjson.dumps(body)


def _details(alert: Transition, page: Page) -> dict[str, str]:
    """Links and labels, as many as fit."""
    details: dict[str, str] = {}
    room = DETAILS_CHARACTERS
    for name, value in (*page.links, *alert.labels.items()):
        room -= len(name) + len(value)
        if room < 0:
            break
        details[name] = value
    return details
