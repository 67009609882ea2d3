"""Microsoft Teams: a workflow's webhook (Adaptive Card), or a classic connector (MessageCard).

Limit: 28 KB a message, by Microsoft's word; connectors were seen to refuse from 21,000 bytes on, so
messages stay below 20,000. A connector says in the body of an HTTP 200 that Teams refused; the body
is read for the status that it names, and for nothing else.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Any
from urllib.parse import urlsplit

import orjson

from consumers.notifier.channels.http_post import Poster, judge
from consumers.notifier.channels.interface import Sent
from consumers.notifier.notification import Notification
from consumers.notifier.page import cut, page_of
from consumers.notifier.templates import fill
from consumers.notifier.text import texts_of
from inferwatch.settings.notify.channels import MsteamsSettings

MESSAGE_BYTES = 20_000
TITLE_CHARACTERS = 256
LINK_CHARACTERS = 2_000
_CONNECTOR_HOSTS = (".webhook.office.com", "outlook.office.com", "outlook.office365.com")
_CARD_COLOURS = {"firing": "Attention", "resolved": "Good"}
_THEME_COLOURS = {"firing": "8C1A1A", "resolved": "2DC72D"}
_REFUSED = re.compile(rb"returned HTTP error (\d{3})")


class MsteamsChannel:
    """Posts cards to one channel of Teams."""

    def __init__(self, settings: MsteamsSettings) -> None:
        """Keep the address, and the kind of card that it takes."""
        self._settings = settings
        url = settings.webhook_url.get_secret_value()
        self.connector = (
            _is_connector(url) if settings.card == "auto" else settings.card == "message"
        )
        self._poster = Poster(url, settings.timeout)

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        answer = await self._poster.ask(
            card_body(message, self._settings, connector=self.connector), {}
        )
        refused = _REFUSED.search(answer.body)
        if refused is not None:
            judge(int(refused[1]))
        return Sent(f"HTTP {answer.status}")

    async def close(self) -> None:
        """See `Channel`."""
        await self._poster.close()


def card_body(message: Notification, settings: MsteamsSettings, *, connector: bool) -> bytes:
    """The message as a card; alerts that do not fit are counted, not shown."""
    card = _message_card if connector else _adaptive_card
    title = fill(settings.title, message, _plain)
    if title is None:
        title = _title(message)
    else:
        title = _plain(message.titled("")) + cut(" ".join(title.split()), TITLE_CHARACTERS)
    own = fill(settings.text, message, _plain)
    texts = [_plain(text) for text in texts_of(message)] if own is None else [own]
    if message.preface:
        texts[0] = f"{_plain(message.preface)}\n\n{texts[0]}"

    def with_first(shown: int) -> bytes:
        lines = [*texts[:shown], *_more(len(texts) - shown)]
        return orjson.dumps(card(message, title, lines))

    body = with_first(len(texts))
    if len(body) < MESSAGE_BYTES:
        return body
    # A digest has thousands, and each try writes all of them: so by halves.
    shown = bisect_left(
        range(1, len(texts)), MESSAGE_BYTES, key=lambda count: len(with_first(count))
    )
    if shown:
        return with_first(shown)
    # A single page that is too long: JSON may write a character in six bytes.
    lines = [cut(texts[0], MESSAGE_BYTES // 8), *_more(len(texts) - 1)]
    return orjson.dumps(card(message, title, lines))


def _is_connector(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.endswith(_CONNECTOR_HOSTS)


def _title(message: Notification) -> str:
    title = message.alerts[0].summary if len(message.alerts) == 1 else message.group_key
    said = _plain(cut(" ".join(title.split()), TITLE_CHARACTERS))
    return _plain(message.titled("")) + message.counts + said


def _plain(text: str) -> str:
    r"""The text as a card shows it: what came with the traffic is no link, emphasis or HTML.

    >>> _plain("[a](http://x) <b> feature_1")
    '\\[a\\](http://x) &lt;b> feature_1'
    """
    return re.sub(r"([\\`*\[\]])", r"\\\1", text).replace("<", "&lt;")


def _more(hidden: int) -> list[str]:
    return [f"{hidden} more are not shown"] if hidden else []


def _state(message: Notification) -> str:
    return "firing" if message.firing else "resolved"


def _adaptive_card(message: Notification, title: str, texts: list[str]) -> dict[str, Any]:
    head = {
        "type": "TextBlock",
        "text": title,
        "weight": "Bolder",
        "size": "Medium",
        "wrap": True,
        "style": "heading",
        "color": _CARD_COLOURS[_state(message)],
    }
    # A card takes two line breaks for one.
    lines = [text.replace("\n", "\n\n") for text in texts]
    blocks = [
        {"type": "TextBlock", "text": line, "wrap": True, "separator": True} for line in lines
    ]
    links = page_of(message.alerts[0]).links if len(message.alerts) == 1 else ()
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": [head, *blocks],
                    "actions": [
                        {"type": "Action.OpenUrl", "title": name, "url": url}
                        for name, url in links
                        if len(url) <= LINK_CHARACTERS
                    ],
                    "msteams": {"width": "Full"},
                },
            }
        ],
    }


def _message_card(message: Notification, title: str, texts: list[str]) -> dict[str, Any]:
    return {
        "@context": "http://schema.org/extensions",
        "@type": "MessageCard",
        "title": title,
        "summary": title,
        "text": "\n\n---\n\n".join(text.replace("\n", "\n\n") for text in texts),
        "themeColor": _THEME_COLOURS[_state(message)],
    }
