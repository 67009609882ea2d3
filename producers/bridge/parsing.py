"""The values of records to JSON events; what is none is rejected with its reason."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from inferwatch.errors import RejectedEventError
from inferwatch.events.encoding import Encoding, encoding_of
from inferwatch.events.json_event import Event, cloud_event, json_event
from inferwatch.events.json_parse import parse_exactly
from inferwatch.events.kinds import CONTENT_TYPE
from producers.bridge.log_slices import Headers, LogSlice

_DICT_ONLY = {dict}


@dataclass(frozen=True, slots=True)
class Rejected:
    """One record that cannot be republished, and why."""

    offset: int
    value: bytes | None
    error: RejectedEventError


def parse_slice(
    records: LogSlice, event_bytes: int
) -> tuple[LogSlice, Sequence[Event], list[Rejected]]:
    """The records that hold an event, their events, and the others.

    Args:
        records: of one partition.
        event_bytes: `limits.event_bytes`; what is larger is `oversized`.
    """
    if not records.headers:
        try:
            # Nearly always all is well: about 2 µs an event of 20 features.
            values = cast("list[bytes]", records.values)
            events = list(map(orjson.loads, values))
            if set(map(type, events)) == _DICT_ONLY and max(map(len, values)) <= event_bytes:
                return records, events, []
        except (TypeError, ValueError):
            pass
    return _one_by_one(records, event_bytes)


def exact_event(value: bytes, headers: Headers) -> Event:
    """An event that was parsed before, this time with all digits of its whole numbers."""
    event = cast(Event, parse_exactly(value))
    if encoding_of(headers, value) is not Encoding.CLOUDEVENT:
        return event
    if event.get("data") is None:
        return cast(Event, parse_exactly(base64.b64decode(cast(str, event["data_base64"]))))
    return cast(Event, event["data"])


def _one_by_one(
    records: LogSlice, event_bytes: int
) -> tuple[LogSlice, Sequence[Event], list[Rejected]]:
    good, events, rejected = LogSlice(), [], []
    for index, (offset, timestamp, value) in enumerate(
        zip(records.offsets, records.timestamps, records.values, strict=True)
    ):
        headers = records.headers.get(index, ())
        try:
            events.append(_event(value, headers, event_bytes))
        except RejectedEventError as error:
            rejected.append(Rejected(offset, value, error))
        else:
            good.add(offset, timestamp, value, headers)
    return good, events, rejected


def _event(value: bytes | None, headers: Headers, event_bytes: int) -> Event:
    if not value:
        raise RejectedEventError("malformed", "", "the record is empty")
    if len(value) > event_bytes:
        raise RejectedEventError(
            "oversized", "", f"{len(value)} bytes; limits.event_bytes is {event_bytes}"
        )
    encoding = encoding_of(headers, value)
    if encoding is Encoding.CLOUDEVENT:
        return cloud_event(value)
    if encoding is Encoding.ARROW:
        raise RejectedEventError(
            "content_type", CONTENT_TYPE, "a columnar batch needs no bridge; send single events"
        )
    return json_event(value)
