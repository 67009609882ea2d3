"""Slack: an incoming webhook, and the message that a bot sends too.

What came with the traffic is escaped, so that a feature's name can neither mention a channel nor
hide a link. Limits: 3,000 characters an attachment, 20 attachments a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from consumers.notifier.channels.http_post import Poster
from consumers.notifier.channels.interface import Sent
from consumers.notifier.notification import Notification
from consumers.notifier.page import Page, brief, cut, page_of
from consumers.notifier.templates import fill
from consumers.notifier.transition import Transition
from inferwatch.settings.notify.channels import SlackSettings

ATTACHMENT_CHARACTERS = 3000
ATTACHMENTS = 20
_COLOURS = {"page": "danger", "ticket": "warning", "info": "#439FE0"}


class SlackChannel:
    """Posts to one incoming webhook."""

    def __init__(self, settings: SlackSettings) -> None:
        """Keep the address."""
        assert settings.api_url is not None
        self._settings = settings
        self._poster = Poster(settings.api_url.get_secret_value(), settings.timeout)

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        body = orjson.dumps(slack_message(message, self._settings))
        return Sent(await self._poster.post(body, {}))

    async def close(self) -> None:
        """See `Channel`."""
        await self._poster.close()


def escape(text: str) -> str:
    """The text as Slack shows it unchanged.

    >>> escape("<!channel> a & b")
    '&lt;!channel&gt; a &amp; b'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def slack_message(message: Notification, settings: SlackSettings) -> dict[str, Any]:
    """The message, an attachment for each alert."""
    title = message.alerts[0].summary if len(message.alerts) == 1 else message.group_key
    first = fill(settings.title, message, escape) or escape(message.counts + title)
    text = escape(message.titled("")) + first
    if message.preface:
        text = f"{text}\n{escape(message.preface)}"
    body: dict[str, Any] = {
        "text": cut(text, ATTACHMENT_CHARACTERS),
        "attachments": [_attachment(a) for a in message.alerts[:ATTACHMENTS]],
    }
    rest = fill(settings.text, message, escape)
    if rest is not None:
        body["attachments"] = [_whole(message, cut(rest, ATTACHMENT_CHARACTERS))]
    elif message.digest_since is not None:
        body["attachments"] = [*_digest(message.firing), *_digest(message.resolved)][:ATTACHMENTS]
    elif len(message.alerts) > ATTACHMENTS:
        body["text"] += f" ({len(message.alerts) - ATTACHMENTS} more are not shown)"
    for key in ("channel", "username"):
        if getattr(settings, key) is not None:
            body[key] = getattr(settings, key)
    return body


def _whole(message: Notification, text: str) -> dict[str, Any]:
    severity = message.firing[0].severity if message.firing else ""
    colour = _COLOURS.get(severity, "warning") if message.firing else "good"
    return {"color": colour, "fallback": text, "text": text, "mrkdwn_in": ["text"]}


def _digest(alerts: Sequence[Transition]) -> Iterator[dict[str, Any]]:
    """A line for each alert, as many in one attachment as fit."""
    lines: list[str] = []
    for n, alert in enumerate(alerts):
        lines.append(cut(f"• {escape(brief(alert))}", ATTACHMENT_CHARACTERS // 4))
        room = ATTACHMENT_CHARACTERS - sum(len(line) + 1 for line in lines)
        if room < ATTACHMENT_CHARACTERS // 4 or n == len(alerts) - 1:
            text = "\n".join(lines)
            colour = _COLOURS["ticket"] if alert.open else "good"
            yield {"color": colour, "fallback": text, "text": text, "mrkdwn_in": ["text"]}
            lines = []


def _attachment(alert: Transition) -> dict[str, Any]:
    page = page_of(alert)
    return {
        "color": _COLOURS.get(alert.severity, "warning") if alert.open else "good",
        "fallback": cut(escape(page.headline), ATTACHMENT_CHARACTERS),
        "text": cut("\n".join(_lines(page)), ATTACHMENT_CHARACTERS),
        "mrkdwn_in": ["text"],
    }


def _lines(page: Page) -> list[str]:
    lines = [f"*{escape(page.headline)}*"]
    lines += [f"{escape(name)}: {escape(value)}" for name, value in page.facts]
    for title, entries in (("Evidence", page.evidence), ("Probable causes", page.causes)):
        if entries:
            lines += [f"*{title}*", *(f"• {escape(e)}" for e in entries)]
    if page.suggestions:
        lines.append("*What to do*")
        for suggestion in page.suggestions:
            lines.append(f"• {escape(suggestion.text)}")
            lines += [f"`{escape(suggestion.command)}`"] if suggestion.command else []
            lines += [f"<{escape(suggestion.url)}>"] if suggestion.url else []
    lines += [f"<{escape(url)}|{name}>" for name, url in page.links]
    return lines
