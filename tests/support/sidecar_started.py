"""`inferwatch sidecar` as a user starts it, in a process of its own."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def started(*args: str) -> Iterator[subprocess.Popen[str]]:
    """The process, with its standard error to read; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "inferwatch", "sidecar", *args],
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("INFERWATCH_")},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def metrics(admin: tuple[str, int]) -> str:
    """The text of its /metrics."""
    connection = http.client.HTTPConnection(*admin, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
