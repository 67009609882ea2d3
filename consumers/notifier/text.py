"""A message as plain text: a page for each alert, or a digest's line for each."""

from __future__ import annotations

from consumers.notifier.notification import Notification
from consumers.notifier.page import brief, cut, page_of, page_text

_BETWEEN_PAGES = "\n\n----\n\n"


def texts_of(message: Notification) -> list[str]:
    """The text of each alert, in the message's order."""
    if message.digest_since is not None:
        return [brief(alert) for alert in message.alerts]
    return [page_text(page_of(alert)) for alert in message.alerts]


def text_of(message: Notification) -> str:
    """All of a message, its preface first."""
    lines = message.digest_since is not None
    return prefaced(message, ("\n" if lines else _BETWEEN_PAGES).join(texts_of(message)))


def prefaced(message: Notification, text: str) -> str:
    """A text with the message's preface before it."""
    return f"{message.preface}\n\n{text}" if message.preface else text


def title_of(message: Notification, characters: int) -> str:
    """A line that says what it is about, of about so many characters."""
    first = page_of(message.alerts[0]).headline
    more = f" (and {len(message.alerts) - 1} more)" if len(message.alerts) > 1 else ""
    if message.digest_since is not None:
        first, more = f"{len(message.firing)} go on, {len(message.resolved)} are over", ""
    return cut(message.titled(first), characters) + more
