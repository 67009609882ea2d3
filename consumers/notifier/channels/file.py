"""File: one line of JSON for each alert of a message, appended and on the disk before it counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from consumers.notifier.channels.interface import Retryable, Sent
from consumers.notifier.delivery import append_lines, delivery_lines
from consumers.notifier.notification import Notification
from inferwatch.settings.notify.channels import FileSettings


class FileChannel:
    """Appends to one file."""

    def __init__(self, settings: FileSettings) -> None:
        """Keep the path; the file is opened for each message, so it may be rotated."""
        self._path = Path(settings.path)

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        rows = delivery_lines(message, 1, now, ok=True, detail=message.reason)
        lines = [
            {"id": message.id, **row, "alert": dict(alert.event)}
            for row, alert in zip(rows, message.alerts, strict=True)
        ]
        try:
            await asyncio.to_thread(append_lines, self._path, lines)
        except OSError as error:
            # A full or missing disk comes back; what was written before is never lost.
            raise Retryable(f"cannot write {self._path}: {error.strerror or error}") from None
        return Sent(f"appended to {self._path}")

    async def close(self) -> None:
        """See `Channel`."""
