"""Rejected records to the dead-letter topic."""

from __future__ import annotations

from dataclasses import dataclass

from inferwatch.events.dead_letters import DeadLetters
from inferwatch.events.json_codec import dumps
from producers.bridge.packing import Parcel
from producers.bridge.parsing import Rejected


@dataclass(frozen=True, slots=True)
class _Place:
    topic: str
    partition: int
    offset: int
    value: bytes | None
    # The bridge keeps no keys of foreign records.
    key: None = None
    headers: None = None


@dataclass(frozen=True, slots=True)
class Letters:
    """Makes the dead letters of one source partition; they name the foreign topic.

    Attributes:
        maker: keeps as much of the bytes as `deadletter.keep` says.
        to: `monitoring.deadletter` with its prefix.
    """

    maker: DeadLetters
    to: str
    topic: str
    partition: int

    def __call__(self, rejected: Rejected) -> Parcel:
        """The record of one dead letter; a record that is rejected twice has the same key."""
        place = _Place(self.topic, self.partition, rejected.offset, rejected.value)
        letter = self.maker.letter(place, rejected.error)
        key = f"{self.topic}/{self.partition}/{rejected.offset}".encode()
        return Parcel(self.to, None, key, dumps(letter), [])
