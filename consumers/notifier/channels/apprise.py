"""Apprise: whatever that library reaches, by one address for each service.

Apprise says no more than whether it sent; the status that it logs tells a refusal from a failure,
and what gives none is tried again. It passes on no `Retry-After`. Its own log is kept back, since
it may repeat addresses, and it cuts text to each service's limits.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import Any

from consumers.notifier.apart import apart
from consumers.notifier.channels.guard import resolve
from consumers.notifier.channels.http_post import judge
from consumers.notifier.channels.interface import Permanent, Retryable, Sent
from consumers.notifier.notification import Notification
from consumers.notifier.page import cut
from consumers.notifier.templates import fill
from consumers.notifier.text import prefaced, text_of, title_of
from inferwatch.errors import UsageError
from inferwatch.settings.notify.channels import AppriseSettings

TITLE_CHARACTERS = 200
BODY_CHARACTERS = 30_000
INSTALL = "pip install 'inferwatch[apprise]'"
_STATUS = re.compile(r"\berror=(\d{3})\b")


class AppriseChannel:
    """Sends by one of Apprise's services."""

    def __init__(self, settings: AppriseSettings) -> None:
        """Have Apprise read the address.

        Raises:
            UsageError: Apprise is not installed, or does not know such an address.
        """
        try:
            import apprise
        except ImportError:
            raise UsageError(f"apprise_configs needs Apprise: {INSTALL}") from None
        logging.getLogger("apprise").addFilter(_STATUSES)
        self._settings = settings
        self._types = apprise.NotifyType
        self._timeout_s = settings.timeout / 1000
        asset = apprise.AppriseAsset(app_id="inferwatch", plugin_paths=[], secure_logging=True)
        asset.http_redirects = False
        service: Any = apprise.Apprise.instantiate(settings.url.get_secret_value(), asset=asset)
        if service is None:
            raise UsageError(
                "apprise_configs: Apprise knows no such `url`; how each service is written "
                "stands at https://github.com/caronc/apprise/wiki"
            )
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_s
        # Whatever the address asks for: one try, no redirect, no waiting for room.
        service.redirects, service.retry, service.request_rate_per_sec = False, 0, 0
        self._service = service

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        title, body = title_and_text(message, self._settings)
        kind = self._types.FAILURE if message.firing else self._types.SUCCESS
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._check_address()
                taken, said = await apart(lambda: self._notify(title, body, kind))
        except TimeoutError:
            raise Retryable(f"no answer within {self._timeout_s:g} s") from None
        if taken:
            return Sent("sent")
        if said is not None:
            judge(said)
        raise Retryable("Apprise could not send")

    async def _check_address(self) -> None:
        # Of hosted services the address is fixed, and what stands for the host is a token.
        if "host" not in self._service.template_tokens or not self._service.host:
            return
        try:
            await resolve(self._service.host, self._service.port or 443)
        except Permanent:
            raise
        except Exception as error:
            raise Retryable(f"cannot connect: {type(error).__name__}") from None

    def _notify(self, title: str, body: str, kind: Any) -> tuple[bool, int | None]:
        try:
            taken = self._service.notify(title=title, body=body, notify_type=kind)
        except Exception as error:
            # Its services are many; what one of them raises may name the address.
            raise Retryable(f"Apprise failed: {type(error).__name__}") from None
        return bool(taken), _STATUSES.status()

    async def close(self) -> None:
        """See `Channel`."""


def title_and_text(message: Notification, settings: AppriseSettings) -> tuple[str, str]:
    """What is sent; the same at every try."""
    title, text = fill(settings.title, message), fill(settings.text, message)
    return (
        title_of(message, TITLE_CHARACTERS)
        if title is None
        else cut(" ".join(message.titled(title).split()), TITLE_CHARACTERS),
        cut(text_of(message) if text is None else prefaced(message, text), BODY_CHARACTERS),
    )


class _Statuses(logging.Filter):
    """Takes Apprise's log away, and keeps of it the last status of each thread.

    Every try runs in a thread of its own, so that this is the status of the try.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found = threading.local()

    def status(self) -> int | None:
        """The last status that was logged in this thread."""
        return getattr(self._found, "status", None)

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`: nothing goes further."""
        found = _STATUS.search(record.getMessage())
        if found is not None:
            self._found.status = int(found[1])
        return False


_STATUSES = _Statuses()
