"""The interface of a channel: it sends one message, and says what a failure means."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from consumers.notifier.notification import Notification, Posted


class Retryable(Exception):
    """The receiver did not take the message this time; it may later.

    Attributes:
        retry_after_ms: how long the receiver asked to be left alone, if it did.
    """

    def __init__(self, detail: str, retry_after_ms: int | None = None) -> None:
        """Say what happened, without the receiver's answer or address in it."""
        super().__init__(detail)
        self.retry_after_ms = retry_after_ms


class Permanent(Exception):
    """The receiver will never take this message as it is."""


class Sent(NamedTuple):
    """A message that the receiver took.

    Attributes:
        detail: a word for the log.
        posted: where it stands, for a channel that edits what it posted when more happens.
    """

    detail: str
    posted: Posted | None = None


class Channel(Protocol):
    """One way to reach somebody."""

    async def send(self, message: Notification, now: int) -> Sent:
        """Send a message once.

        Args:
            message: what to send; the same at every try.
            now: the time of this try (ms since the epoch).

        Raises:
            Retryable: try again later.
            Permanent: do not try this message again.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
