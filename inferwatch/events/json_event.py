"""The JSON event of a record: its value, or the `data` of a structured CloudEvent.

A binary CloudEvent needs nothing: its attributes are `ce_*` headers, its value is the event.
Source: https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import base64
import binascii

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.describe import describe
from inferwatch.events.json_parse import parse_exactly, parse_json

Event = dict[str, object]


def json_event(value: bytes) -> Event:
    """The event that a value holds.

    Raises:
        RejectedEventError: `malformed`, when it is no JSON, or no object.

    >>> json_event(b'{"id": 18446744073709551617}')
    {'id': 18446744073709551617}
    """
    event = _object(parse_json(value), "")
    if type(event.get("id")) is float:
        # The fast parser makes a double of a whole number beyond 64 bits; an id needs its digits.
        event = _object(parse_exactly(value), "")
    return event


def cloud_event(value: bytes) -> Event:
    """The event inside a structured CloudEvent: its `data`, or `data_base64` unpacked.

    >>> cloud_event(b'{"specversion": "1.0", "id": "a", "data": {"model": "fraud"}}')
    {'model': 'fraud'}
    """
    envelope = _object(parse_json(value), "")
    packed = envelope.get("data_base64")
    if packed is not None and envelope.get("data") is None:
        if not isinstance(packed, str):
            raise RejectedEventError("malformed", "data_base64", f"it is {describe(packed)}")
        try:
            return json_event(base64.b64decode(packed, validate=True))
        except (binascii.Error, ValueError):
            raise RejectedEventError("malformed", "data_base64", "it is no base64") from None
    event = _object(envelope.get("data"), "data")
    if type(event.get("id")) is float:
        event = _object(_object(parse_exactly(value), "").get("data"), "data")
    return event


def _object(value: object, where: str) -> Event:
    if isinstance(value, dict):
        return value
    raise RejectedEventError("malformed", where, f"it is {describe(value)}; an object is wanted")
