"""Logging to standard error, as lines for people or as JSON for a collector."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]

# Chatty below a warning: their retries and rebalances are told by our own lines.
_QUIET = ("kafka", "aiokafka", "faust", "mode", "asyncio", "aiohttp", "httpx", "httpcore")

# It warns of its own event loop when the machine is busy: nobody can act on that.
_MUTE = "kafka.net.selector"


class NoForeignTracebacks(logging.Filter):
    """Drops the tracebacks of the clients' own threads: what was lost is said in their line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, without its traceback where it is a client's."""
        if record.name.partition(".")[0] in _QUIET:
            record.exc_info = record.exc_text = None
        return True


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z WARNING worker: message`, a traceback below it."""

    converter = staticmethod(time.gmtime)

    def __init__(self, part: str) -> None:
        """Name the part of the system in every line."""
        super().__init__(
            f"%(asctime)s.%(msecs)03dZ %(levelname)s {part}: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at` (milliseconds since the epoch), `level`, `part`, `message`."""

    def __init__(self, part: str) -> None:
        """Name the part of the system in every line."""
        super().__init__()
        self.part = part

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "at": int(record.created * 1000),
            "level": record.levelname.lower(),
            "part": self.part,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def setup(format: LogFormat, part: str, stream: TextIO | None = None) -> None:
    """Send all logging to standard error; a second call replaces the first.

    Args:
        format: `text` or `json`.
        part: what speaks: `worker`, `notify`.
        stream: elsewhere than standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(part) if format == "json" else TextFormatter(part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    handler.addFilter(NoForeignTracebacks())
    logging.getLogger(_MUTE).setLevel(logging.ERROR)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
