"""A transition of an incident, as the notifier reads it from `monitoring.alerts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from inferwatch.errors import RejectedEventError
from inferwatch.events.alert import Status

_TEXTS = ("incident", "fingerprint", "status", "severity")


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one incident; a reader that sees it again acts once.

    The event is kept whole as it came: keys, kinds and causes that this version does not know
    are passed on to receivers. Times are milliseconds since the epoch.
    """

    incident: str
    fingerprint: str
    status: str
    severity: str
    revision: int
    starts_at: int
    ends_at: int | None
    labels: Mapping[str, str]
    event: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What makes it the same transition, whatever its `updated_at`."""
        if self.status == Status.CORRECTED:
            return f"{self.incident}/{self.status}/{self.revision}"
        return f"{self.incident}/{self.status}"

    @property
    def open(self) -> bool:
        """Whether the incident goes on after it."""
        if self.status == Status.CORRECTED:
            return self.ends_at is None
        return self.status == Status.FIRING

    @property
    def summary(self) -> str:
        """The sentence that a person acts on."""
        return str(self.event.get("summary") or self.labels.get("alertname") or self.incident)

    def to_json(self) -> bytes:
        """The event as it came."""
        return orjson.dumps(self.event)


def transition_from_json(data: bytes) -> Transition:
    """Read one record of `monitoring.alerts`.

    Raises:
        RejectedEventError: it is no alert event.

    >>> text = b'{"incident":"i","fingerprint":"f","status":"firing","severity":"page",'
    >>> text += b'"starts_at":1,"labels":{"alertname":"slow"},"news":[1]}'
    >>> transition_from_json(text).id
    'i/firing'
    """
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RejectedEventError("malformed", "", f"no JSON: {error}") from None
    if not isinstance(event, dict):
        raise RejectedEventError("malformed", "", "an alert event is an object")
    for key in _TEXTS:
        if not isinstance(event.get(key), str) or not event[key]:
            raise RejectedEventError("malformed", key, "a text is wanted")
    if event["status"] not in tuple(Status):
        allowed = ", ".join(Status)
        raise RejectedEventError("malformed", "status", f"{event['status']!r} is none of {allowed}")
    if not isinstance(event.get("labels"), dict):
        raise RejectedEventError("malformed", "labels", "an object is wanted")
    window = event.get("window")
    return Transition(
        incident=event["incident"],
        fingerprint=event["fingerprint"],
        status=event["status"],
        severity=event["severity"],
        revision=_whole(window.get("revision") or 0, "window.revision")
        if isinstance(window, dict)
        else 0,
        starts_at=_whole(event.get("starts_at"), "starts_at"),
        ends_at=None if event.get("ends_at") is None else _whole(event["ends_at"], "ends_at"),
        labels={str(k): v if isinstance(v, str) else str(v) for k, v in event["labels"].items()},
        event=event,
    )


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RejectedEventError("malformed", where, f"{value!r} is no whole number")
    return value
