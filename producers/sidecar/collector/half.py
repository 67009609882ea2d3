"""What a logger's event tells: one half of an exchange, or feedback on an earlier one.

KServe's agent and Seldon's request logger use the same names for what they add: which deployment
(`inferenceservicename`, `namespace`), which part of it (`component`, `endpoint`, `modelid`). KServe
gives both halves one id, Seldon gives each its own and names the request in `requestid`. KServe's
`metadata` holds the request's headers that `logger.metadataHeaders` lets through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from inferwatch.errors import RejectedEventError
from inferwatch.events.json_parse import parse_json
from inferwatch.settings.sidecar import ID_HEADERS
from producers.sidecar.collector.cloud_event import CloudEvent
from producers.sidecar.copies import PIECE_OVERHEAD
from producers.sidecar.exchange import Headers, Message

Kind = Literal["request", "response", "feedback"]
Key = bytes

_KIND = re.compile(
    r"(?:org\.kubeflow|io\.seldon)\.serving\.(?:inference\.)?(request|response|feedback)"
)
_PLACE = ("namespace", "inferenceservicename", "component", "endpoint", "modelid")


@dataclass(frozen=True, slots=True)
class Half:
    """One half, as it came.

    Attributes:
        key: what both halves of an exchange have in common.
        model: None where the event names none.
        at_ms: when it happened, by its sender's clock; None where it does not say so.
        came: monotonic seconds when it came here.
        came_ms: the same as milliseconds since the epoch.
        message: its payload; `kept` is what it holds of the budget.
    """

    kind: Kind
    key: Key
    model: str | None
    at_ms: float | None
    came: float
    came_ms: int
    message: Message


def kind_of(event: CloudEvent) -> Kind | None:
    """What the event is; None for those of other senders.

    >>> kind_of(CloudEvent({"type": "io.seldon.serving.inference.response"}, b""))
    'response'
    """
    found = _KIND.fullmatch(event.type)
    return None if found is None else found[1]  # type: ignore[return-value]


def read_half(event: CloudEvent, kind: Kind, limit: int, now: float, now_ms: int) -> Half:
    """The event as a half; a payload above `limit` bytes is left out, and noted as cut."""
    told = event.attributes
    request_id = told.get("requestid") or told["id"]
    message = Message(_headers(event, request_id), size=len(event.data), complete=True)
    message.kept = PIECE_OVERHEAD + sum(len(n) + len(v) for n, v in message.headers)
    if len(event.data) > limit:
        message.cut = "oversized"
    else:
        message.body, message.arrivals = [event.data], [now]
        message.kept += len(event.data)
    return Half(
        kind=kind,
        key=_key(told, request_id),
        model=told.get("modelid") or told.get("inferenceservicename") or None,
        at_ms=event.time_ms,
        came=now,
        came_ms=now_ms,
        message=message,
    )


def _key(told: Mapping[str, str], request_id: str) -> Key:
    """Of one length whatever is told, because keys are remembered beyond their halves."""
    parts = (*(told.get(name, "") for name in _PLACE), request_id)
    return blake2b(repr(parts).encode(errors="replace"), digest_size=16).digest()


def _headers(event: CloudEvent, request_id: str) -> Headers:
    """The payload's headers, the passed-on ones of the request, and the attributes as `ce-*`."""
    headers: Headers = [(b"ce-id", request_id.encode("latin-1", "replace"))]
    if event.content_type is not None:
        headers.append((b"content-type", event.content_type.encode("latin-1", "replace")))
    if event.encoding is not None:
        headers.append((b"content-encoding", event.encoding.encode("latin-1", "replace")))
    passed_on = _metadata(event.attributes.get("metadata"))
    for name, value in event.attributes.items():
        if name not in ("id", "metadata"):
            passed_on[f"ce-{name}"] = value
    return headers + [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in passed_on.items()
    ]


def _metadata(text: str | None) -> dict[str, str]:
    """Headers by name, the first value of each; ids are left out, the event has its own."""
    try:
        told = None if text is None else parse_json(text.encode())
    except (RejectedEventError, UnicodeEncodeError):
        return {}
    found = {}
    for name, values in told.items() if isinstance(told, dict) else ():
        first = values[0] if isinstance(values, list) and values else values
        # The body's own headers describe the traffic's body, the event has a body of its own.
        is_of_body = name.lower().startswith("content-")
        if isinstance(first, str) and name.lower() not in ID_HEADERS and not is_of_body:
            found[name.lower()] = first
    return found
