"""CloudEvents as they come over HTTP: binary, structured, or several in a batch.

Versions 0.3 and 1.0 of the specification (https://github.com/cloudevents/spec, HTTP protocol
binding): in binary mode the attributes are `ce-*` headers and the body is the data, in structured
mode one JSON object holds both.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson

from inferwatch.errors import RejectedEventError
from inferwatch.events.json_parse import parse_exactly
from producers.sidecar.exchange import Headers, header
from producers.sidecar.streams import media_type

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_DATA_KEYS = ("data", "data_base64", "datacontenttype")

_Write = Callable[[Any], bytes]


class CloudEventError(Exception):
    """What came is no CloudEvent; the text says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event.

    Attributes:
        attributes: all context attributes but the data's own, names in lower case.
        content_type: of the data.
        encoding: content encoding of the data, None for none.
    """

    attributes: Mapping[str, str]
    data: bytes
    content_type: str | None = None
    encoding: str | None = None

    @property
    def type(self) -> str:
        """What kind of event it is, such as `org.kubeflow.serving.inference.request`."""
        return self.attributes["type"]

    @property
    def time_ms(self) -> float | None:
        """Milliseconds since the epoch when it happened; None where it does not say so.

        >>> CloudEvent({"time": "1970-01-01T00:00:01.5Z"}, b"").time_ms
        1500.0
        """
        try:
            moment = datetime.fromisoformat(self.attributes.get("time", ""))
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return moment.timestamp() * 1000
        except (ValueError, OverflowError):
            return None


def is_cloud_event(headers: Headers) -> bool:
    """Whether a request carries an event, in any of the three modes.

    >>> is_cloud_event([(b"Ce-Type", b"x")]), is_cloud_event([(b"Content-Type", b"text/plain")])
    (True, False)
    """
    return header(headers, b"ce-type") is not None or is_structured(headers)


def is_structured(headers: Headers) -> bool:
    """Whether the attributes stand in the body."""
    return media_type(header(headers, b"content-type")) in (STRUCTURED, BATCH)


def read_cloud_events(headers: Headers, body: bytes) -> list[CloudEvent]:
    """The events of a request.

    Raises:
        CloudEventError: an attribute that every event has is missing, or the body is no JSON.

    >>> (event,) = read_cloud_events([(b"ce-type", b"a.b"), (b"ce-id", b"7")], b"{}")
    >>> event.type, event.data
    ('a.b', b'{}')
    """
    media = media_type(header(headers, b"content-type"))
    if media == STRUCTURED:
        return [_structured(*_parse(body))]
    if media == BATCH:
        several, write = _parse(body)
        if not isinstance(several, list):
            raise CloudEventError("a batch of events is a JSON list")
        return [_structured(event, write) for event in several]
    attributes = {
        name[3:].decode("latin-1").lower(): unquote(value.decode("latin-1").strip())
        for name, value in headers
        if name[:3].lower() == b"ce-"
    }
    content_type, encoding = (header(headers, n) for n in (b"content-type", b"content-encoding"))
    return [_checked(CloudEvent(attributes, body, content_type, encoding))]


def _structured(event: Any, write: _Write) -> CloudEvent:
    if not isinstance(event, dict):
        raise CloudEventError("a structured event is a JSON object")
    attributes = {
        name.lower(): value if isinstance(value, str) else json.dumps(value)
        for name, value in event.items()
        if name not in _DATA_KEYS and value is not None
    }
    content_type = event.get("datacontenttype")
    content_type = content_type if isinstance(content_type, str) else "application/json"
    return _checked(CloudEvent(attributes, _data(event, content_type, write), content_type))


def _data(event: Mapping[str, Any], content_type: str, write: _Write) -> bytes:
    packed, data = event.get("data_base64"), event.get("data")
    if isinstance(packed, str):
        try:
            return base64.b64decode(packed, validate=True)
        except ValueError:
            raise CloudEventError("`data_base64` is no base64") from None
    if isinstance(data, str) and "json" not in media_type(content_type):
        return data.encode()
    try:
        return b"" if data is None else write(data)
    except RecursionError:
        raise CloudEventError("`data` is nested too deeply") from None


def _checked(event: CloudEvent) -> CloudEvent:
    missing = [name for name in ("id", "type") if not event.attributes.get(name)]
    if missing:
        raise CloudEventError(f"the event has no {' and no '.join(missing)}")
    return event


def _parse(body: bytes) -> tuple[Any, _Write]:
    """What stands in the body, and what writes a part of it back as the same values.

    Strict JSON is written by orjson too: the standard library would hold up the event loop for
    some 30 ms a megabyte, and every other thread with it.
    """
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body), _write_strict
    try:
        return parse_exactly(body), _write
    except RejectedEventError as error:
        raise CloudEventError(error.detail) from None


def _write(value: Any) -> bytes:
    return json.dumps(value).encode()


def _write_strict(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # it writes fewer levels than it reads
        return _write(value)
