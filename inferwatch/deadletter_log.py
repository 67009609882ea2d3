"""The dead letters that the broker holds; without a consumer group, so looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from inferwatch.broker import reach_broker
from inferwatch.events.deadletter import DeadLetter
from inferwatch.events.json_codec import from_plain
from inferwatch.settings import Settings
from inferwatch.topic_reader import read_to_end
from inferwatch.topics import DEADLETTER


def letter_id(letter: DeadLetter) -> str:
    """How a dead letter is asked for: `TOPIC/PARTITION/OFFSET`, and `/ROW` inside a batch.

    >>> letter = DeadLetter(reason="no_ts", detail="", where="ts", topic="inference.labels",
    ...     partition=0, offset=17, row=3, at=0, length=0, sha256=None, data=None)
    >>> letter_id(letter)
    'inference.labels/0/17/3'
    """
    place = f"{letter.topic}/{letter.partition}/{letter.offset}"
    return place if letter.row is None else f"{place}/{letter.row}"


def is_asked_for(letter: DeadLetter, asked: str) -> bool:
    """Whether an id names this letter, or the record that it is a row of."""
    name = letter_id(letter)
    return name == asked or name.startswith(f"{asked}/")


def read_letters(settings: Settings) -> Iterator[DeadLetter]:
    """All dead letters, from the oldest that is kept to those that are there now.

    Records that are no dead letters are passed over. A topic that does not exist holds none.

    Raises:
        ServiceUnreachableError: no broker answered, or it fell silent.
    """
    reach_broker(settings)
    for record in read_to_end(settings, DEADLETTER.full_name(settings.topics.prefix)):
        letter = _letter(record.value)
        if letter is not None:
            yield letter


def _letter(value: bytes | None) -> DeadLetter | None:
    try:
        return from_plain(DeadLetter, orjson.loads(value or b""))
    except (TypeError, ValueError):
        return None
