"""Events from files with one JSON object a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

from inferwatch.errors import RejectedEventError
from inferwatch.events.json_parse import parse_json
from inferwatch.events.kinds import CONTENT_TYPE, JSON, ORIGIN, SEQ, Kind
from pipeline.decode import Decoder, RawRecord
from pipeline.decode.decoder import Limits
from pipeline.replay.part import Part

LINES = 8_192
Headers = tuple[tuple[str, bytes], ...]

_HEADERS: Headers = ((CONTENT_TYPE, JSON.encode()),)
_BOM = b"\xef\xbb\xbf"


def line_parts(
    lines: Iterator[bytes],
    kind: Kind,
    limits: Limits,
    now_ms: int,
    read: Callable[[], None] = lambda: None,
) -> Iterator[Part]:
    """Each line as the record that it would have been; blank lines are none.

    A line may tell `received` (when its record was written), `origin` and `seq`, which stand for
    what a record's timestamp and headers say.

    Args:
        lines: without their ends.
        kind: of the events.
        limits: of the config.
        now_ms: the timestamp of a record that tells none.
        read: called after each part.
    """
    decoder = Decoder(kind, limits, clock=lambda: now_ms, keep="none")
    number = 0
    while taken := list(islice(lines, LINES)):
        records = []
        for line in taken:
            event = line.removeprefix(_BOM).strip()
            if event:
                records.append(_record(event, number, now_ms))
            number += 1
        decoded = decoder.decode(records)
        yield Part(decoded.chunks, Counter(letter.reason for letter in decoded.rejected))
        read()


def event_time_of(line: bytes) -> float:
    """The time of a line, for sorting; what has none comes last."""
    try:
        event = parse_json(line)
    except RejectedEventError:
        return float("inf")
    ts = event.get("ts") if isinstance(event, dict) else None
    is_number = isinstance(ts, (int, float)) and not isinstance(ts, bool)
    return float(ts) if is_number and ts == ts else float("inf")  # type: ignore[arg-type]


def _record(line: bytes, number: int, now_ms: int) -> RawRecord:
    received, headers = now_ms, _HEADERS
    if b'"received"' in line or b'"seq"' in line:
        received, headers = _envelope(line, now_ms)
    return RawRecord("", 0, number, received, None, line, headers)


def _envelope(line: bytes, now_ms: int) -> tuple[int, Headers]:
    try:
        event = parse_json(line)
    except RejectedEventError:
        return now_ms, _HEADERS
    if not isinstance(event, dict):
        return now_ms, _HEADERS
    headers = _HEADERS
    origin, seq = event.get(ORIGIN), event.get(SEQ)
    if isinstance(origin, str):
        headers += ((ORIGIN, origin.encode()),)
    if isinstance(seq, int) and not isinstance(seq, bool) and seq >= 0:
        headers += ((SEQ, str(seq).encode()),)
    return _whole(event.get("received"), now_ms), headers


def _whole(value: object, otherwise: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return otherwise
    return int(value) if abs(value) < 2**62 else otherwise
