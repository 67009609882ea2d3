"""A commented example of the config: values from here, comments from the tree's documentation."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from inferwatch.settings.anatomy import description
from inferwatch.settings.tree import Settings

_WIDTH = 100
_HEAD = """\
# The config of inferwatch (YAML 1.2). No section is required; what is left out has the default.
# Durations are written 10s, 5m, 1h, 7d and sizes 64KiB, 1MiB. ${NAME} takes an environment
# variable and ${file:PATH} the content of a file, for secrets.
# Check it with: inferwatch config check FILE
"""

_VALUES: dict[str, Any] = {
    "broker": {"url": "kafka://localhost:9092"},
    "redis": {"url": "redis://localhost:6379/0"},
    "topics": {"prefix": "", "partitions": 4, "replication": 1},
    "start": "earliest",
    "limits": {
        "event_bytes": "1MiB",
        "future": "5m",
        "idle": "30s",
        "models": 1000,
        "segments": 1000,
        "categories": 1000,
    },
    "retention": {"restate": "1h", "history": "7d"},
    "defaults": {"windows": ["1m", "5m", "1h"], "lateness": "30s"},
    "models": [
        {
            "name": "flight-delay",
            "task": "binary",
            "positive": "late",
            "classes": ["late", "on-time"],
            "windows": ["1m", "15m/1m"],
            "segments": ["carrier"],
            "labels": {"horizon": "6h", "wait": "auto"},
            "features": {"include": ["*"], "exclude": ["passenger_*"], "categorical": ["carrier"]},
            "expect": {"accuracy": 0.85},
            "tags": {"team": "risk"},
        },
        {"name": "fraud-*", "task": "multiclass"},
    ],
    "rules": [
        {
            "name": "accuracy-low",
            "metric": "quality.accuracy",
            "when": "< 0.80",
            "window": "1m",
            "for": "2m",
            "min_rows": 500,
            "severity": "page",
        },
        {
            "name": "accuracy-drop",
            "metric": "quality.accuracy",
            "when": "drop > 0.05",
            "baseline": "reference",
            "severity": "page",
        },
        {"name": "slow", "metric": "latency.p99_ms", "when": "> 250", "for": "5m"},
        {
            "name": "latency-slo",
            "slo": {
                "metric": "latency.slow_rate",
                "over": "300ms",
                "objective": 99.5,
                "period": "30d",
            },
            "severity": "page",
        },
        {
            "name": "input-drift",
            "metric": "features.*.psi",
            "when": "> 0.2",
            "models": "fraud-*",
            "min_completeness": 0.95,
        },
    ],
    "notify": {
        "route": {
            "receiver": "team",
            "group_by": ["model", "kind"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "matchers": ['severity="page"'],
                    "receiver": "on-call",
                    "escalate": [{"after": "15m", "receiver": "team"}],
                },
                {
                    "matchers": ['severity="ticket"'],
                    "receiver": "chat",
                    "digest": {"at": "09:00", "location": "Europe/Berlin"},
                },
            ],
        },
        "heartbeat": {"at": "09:00", "location": "Europe/Berlin", "receiver": "chat"},
        "receivers": [
            {"name": "team", "console_configs": [{"send_resolved": True}]},
            {
                "name": "on-call",
                "fallback": {"receiver": "chat", "after": "5m"},
                "webhook_configs": [{"url": "http://127.0.0.1:8090/alerts"}],
                "opsgenie_configs": [
                    {
                        "api_key": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
                        "tags": "ml, risk",
                        "responders": [{"type": "team", "name": "risk"}],
                    }
                ],
                "kafka_configs": [{"topic": "on-call.pages"}],
            },
            {
                "name": "chat",
                "slack_configs": [
                    {"bot_token": "xoxb-token", "channel": "#models", "send_resolved": True}
                ],
                "msteams_configs": [
                    {
                        "webhook_url": "https://example.com/workflows/1",
                        "title": "{{ commonLabels.alertname }} of {{ commonLabels.model }}",
                    }
                ],
                "apprise_configs": [{"url": "ntfy://ntfy.example.com/models"}],
            },
        ],
    },
    "dashboard": {"listen": "127.0.0.1:8088"},
    "deadletter": {"keep": "full"},
    "sidecar": {
        "upstream": "http://127.0.0.1:8080",
        "listen": "127.0.0.1:9000",
        "model": "fraud",
        "version": "7",
        "protocol": "auto",
        "features": {"allow": ["*"], "deny": ["password"]},
        "redact": ["email"],
        "segments": {"region": "header:x-region"},
        "batch": {"rows": 1024, "bytes": "512KiB", "every": "1s"},
        "mint_ids": False,
        "queue": "64MiB",
        "spool": {"dir": "/var/lib/inferwatch", "max": "1GiB"},
        "admin": "127.0.0.1:9001",
        "collector": {"wait": "1m", "pairs": 10000},
    },
}


def example_text() -> str:
    """The example as YAML; it passes `inferwatch config check`.

    >>> print(example_text().splitlines()[5])
    # Kafka: where events come from and results go.
    """
    lines: list[str] = []
    for key, value in _VALUES.items():
        lines += ["", *_entry(key, value, (), indent=0, commented=True)]
    return _HEAD + "\n".join(lines) + "\n"


def _entry(
    key: str, value: Any, above: tuple[str | int, ...], *, indent: int, commented: bool
) -> Iterator[str]:
    """The lines of one key: its documentation, and its value."""
    path, pad = (*above, key), " " * indent
    about = description(Settings, path) if commented else ""
    for line in textwrap.wrap(about, _WIDTH - indent - 2):
        yield f"{pad}# {line}"
    if isinstance(value, dict):
        yield f"{pad}{key}:"
        yield from _mapping(value, path, indent=indent + 2, commented=commented)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield f"{pad}{key}:"
        for index, item in enumerate(value):
            # What a key means is told once a list.
            told = commented and index == 0
            lines = list(_mapping(item, (*path, index), indent=indent + 4, commented=told))
            yield from _bulleted(lines, indent + 2)
    else:
        yield f"{pad}{key}: {_flow(value)}"


def _mapping(
    values: dict[str, Any], path: tuple[str | int, ...], *, indent: int, commented: bool
) -> Iterator[str]:
    for key, value in values.items():
        yield from _entry(key, value, path, indent=indent, commented=commented)


def _bulleted(lines: list[str], indent: int) -> Iterator[str]:
    """The lines of a list item; its dash stands at the first key, comments before it above."""
    first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
    yield from (line[2:] for line in lines[:first])
    yield f"{' ' * indent}- {lines[first].lstrip()}"
    yield from lines[first + 1 :]


def _flow(value: Any) -> str:
    """A scalar, or a list of scalars in one line."""
    if isinstance(value, list):
        return f"[{', '.join(_flow(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z0-9/][A-Za-z0-9_./:-]*", text) and not text.endswith(":")
    number_as_text = isinstance(value, str) and re.fullmatch(r"[0-9.]+", text)
    return text if plain and not number_as_text else json.dumps(text, ensure_ascii=False)
