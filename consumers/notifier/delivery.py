"""A delivery: one try to tell one receiver of one alert, as a line of a log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from consumers.notifier.notification import Notification


def delivery_lines(
    message: Notification, attempt: int, at: int, *, ok: bool, detail: str
) -> Iterator[dict[str, Any]]:
    """One line for each alert of a message."""
    for alert in message.alerts:
        yield {
            "at": at,
            "receiver": message.receiver,
            "incident": alert.incident,
            "fingerprint": alert.fingerprint,
            "status": alert.status,
            "attempt": attempt,
            "ok": ok,
            "detail": detail,
        }


def append_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Append lines of JSON in one write, and wait until the disk has them."""
    data = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    with path.open("ab", buffering=0) as file:
        # A line that was cut off by a full disk or a crash must not swallow the next one.
        if file.tell() and not _ends_with_newline(path):
            data = b"\n" + data
        if file.write(data) != len(data):
            raise OSError("the disk is full")
        os.fsync(file.fileno())


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
