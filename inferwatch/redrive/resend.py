"""What is sent for a dead letter: the rejected bytes with their key and headers, and a marker.

The sender's own numbers are not sent again: a rejected JSON event or row has used its number up,
and of a sender that fell silent every number below its highest passes for seen. So what is sent
again is numbered anew. A whole columnar batch that was rejected has used no number up: its sender
and first number go along in headers of their own, so that the hole which it left is filled.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from inferwatch.deadletter_log import letter_id
from inferwatch.errors import RejectedEventError
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.encoding import Encoding, encoding_of
from inferwatch.events.kinds import (
    CONTENT_TYPE,
    JSON,
    ORIGIN,
    REDRIVEN_ORIGIN,
    REDRIVEN_SEQ,
    SEQ,
    SPARSE,
)

MARKER = "redriven"
"""The header that names the dead letter: `TOPIC/PARTITION/OFFSET[/ROW]`."""

Header = tuple[str, bytes | None]

_NUMBERING = (ORIGIN, SEQ, SPARSE, MARKER)
_FILLED = {ORIGIN: REDRIVEN_ORIGIN, SEQ: REDRIVEN_SEQ}


class NotWhole(StrEnum):
    """Why a dead letter cannot be sent; the value is what a person reads."""

    NOT_KEPT = "its bytes were not kept (deadletter.keep)"
    CUT = "its bytes are cut at 64 KiB"
    NO_HEADERS = "its key and headers were not kept"
    DAMAGED = "its bytes are not those of its SHA-256"
    FOREIGN = "it came from a topic that is none of this config's inputs"
    NO_PARTITION = "its topic has no such partition"


@dataclass(frozen=True, slots=True)
class Resend:
    """One record to send, before it is numbered.

    Attributes:
        id: of the dead letter.
        headers: without those that number it.
        is_batch: the value is a whole columnar batch: how many numbers it takes nobody knows.
    """

    id: str
    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: tuple[Header, ...]
    is_batch: bool


def resend_of(letter: DeadLetter, partitions: Mapping[str, int]) -> Resend | NotWhole:
    """What to send for a dead letter, or why it cannot be.

    Args:
        letter: the dead letter.
        partitions: of each topic that may be sent to. A dead letter names any topic it likes.

    >>> letter = DeadLetter(reason="no_ts", detail="", where="ts", topic="labels", partition=0,
    ...     offset=17, row=None, at=0, length=2, sha256=None, data="e30=", headers=[("a", "Yg==")])
    >>> resend_of(letter, {"labels": 4}).value, resend_of(letter, {"labels": 4}).headers
    (b'{}', (('a', b'b'), ('redriven', b'labels/0/17')))
    >>> resend_of(letter, {"predictions": 4}).value
    "it came from a topic that is none of this config's inputs"
    """
    if letter.topic not in partitions:
        return NotWhole.FOREIGN
    if not 0 <= letter.partition < partitions[letter.topic]:
        return NotWhole.NO_PARTITION
    if letter.data is None:
        return NotWhole.NOT_KEPT
    try:
        return _whole(letter, base64.b64decode(letter.data, validate=True))
    except ValueError:
        return NotWhole.DAMAGED


def _whole(letter: DeadLetter, value: bytes) -> Resend | NotWhole:
    if len(value) < letter.length:
        return NotWhole.CUT
    if letter.sha256 not in (None, hashlib.sha256(value).hexdigest()):
        return NotWhole.DAMAGED
    if letter.headers is None:
        return NotWhole.NO_HEADERS
    headers = [
        (name, None if text is None else base64.b64decode(text))
        for name, text in letter.headers
        if name.lower() not in _NUMBERING
    ]
    if letter.row is not None:
        # What is kept of a row is the JSON event that it stands for.
        headers = [(n, v) for n, v in headers if n.lower() != CONTENT_TYPE]
        headers.append((CONTENT_TYPE, JSON.encode()))
    is_batch = letter.row is None and _is_batch(headers, value)
    if is_batch:
        headers += _filling(letter.headers)
    headers.append((MARKER, letter_id(letter).encode()))
    return Resend(
        letter_id(letter),
        letter.topic,
        letter.partition,
        None if letter.key is None else base64.b64decode(letter.key),
        value,
        tuple(headers),
        is_batch,
    )


def _filling(headers: Sequence[tuple[str, str | None]]) -> list[Header]:
    """Whose numbers a batch takes up; where it was sent again before, it says so already.

    What is missing between the numbers of a sparse sender is no hole.
    """
    names = {name.lower() for name, _ in headers}
    if SPARSE in names or not names.isdisjoint(_FILLED.values()):
        return []
    return [
        (_FILLED[name.lower()], None if text is None else base64.b64decode(text))
        for name, text in headers
        if name.lower() in _FILLED
    ]


def _is_batch(headers: list[Header], value: bytes) -> bool:
    known = tuple((name, content) for name, content in headers if content is not None)
    try:
        return encoding_of(known, value) is Encoding.ARROW
    except RejectedEventError:
        return False  # of an unknown kind: it is rejected again, and uses up one number
