"""One entry of the journal: a key `kind/id`, and a value that begins with its format number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from consumers.notifier.acknowledgement import (
    Acknowledgement,
    acknowledgement_from_json,
    acknowledgement_to_json,
)
from consumers.notifier.lane import (
    HEARD_MS,
    Address,
    Lane,
    knowledge_from_json,
    knowledge_to_json,
)
from consumers.notifier.stages.silence import Silence
from consumers.notifier.store.silence_json import silence_from_json, silence_to_json
from consumers.notifier.transition import Transition
from inferwatch.errors import StateFormatError

FORMAT = 1
# An acknowledgement is kept as long as an incident may stay open.
ACKNOWLEDGED_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of `monitoring.state`; a value of None takes back what the key said before."""

    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the journal holds.

    Attributes:
        silences: all of them; some may be over.
        acknowledgements: also of incidents that are over since.
        lanes: with nothing but what their receivers were told, and since when incidents wait.
        forgettable: the keys that matter no more.
    """

    silences: tuple[Silence, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    lanes: tuple[Lane, ...] = ()
    forgettable: tuple[str, ...] = ()


def silence_entry(silence: Silence) -> Entry:
    """The entry that keeps a silence."""
    return Entry(f"silence/{silence.id}", _pack(silence_to_json(silence)))


def acknowledgement_entry(acknowledgement: Acknowledgement) -> Entry:
    """The entry that keeps an acknowledgement.

    >>> acknowledgement_entry(Acknowledgement(incident="i", at=1, by="ann", comment="")).key
    'acknowledgement/i'
    """
    value = _pack(acknowledgement_to_json(acknowledgement))
    return Entry(f"acknowledgement/{acknowledgement.incident}", value)


def told_entry(lane: Lane) -> Entry:
    """The entry that keeps what a lane's receiver was told, and since when its incidents wait."""
    if lane.told is None and not lane.since:
        return forget_told(lane.address)
    return Entry(_told_key(lane.address), _pack(knowledge_to_json(lane)))


def forget_told(address: Address) -> Entry:
    """The entry that takes back what a lane's receiver was told."""
    return Entry(_told_key(address), None)


def remembered(entries: Mapping[str, bytes], now: int) -> Remembered:
    """What the latest value of each key says, at a time (ms since the epoch).

    Kinds of other parts, and of newer versions, are passed over.

    Raises:
        StateFormatError: a newer version wrote a value.
    """
    silences = [silence_from_json(v) for v in _of_kind(entries, "silence")]
    taken = [acknowledgement_from_json(v) for v in _of_kind(entries, "acknowledgement")]
    lanes = [knowledge_from_json(v) for v in _of_kind(entries, "told")]
    forgettable = [f"silence/{s.id}" for s in silences if s.ends_at <= now]
    forgettable += [f"acknowledgement/{a.incident}" for a in taken if a.at + ACKNOWLEDGED_MS <= now]
    forgettable += [_told_key(lane.address) for lane in lanes if _past(lane, now)]
    return Remembered(tuple(silences), tuple(taken), tuple(lanes), tuple(forgettable))


def with_incidents(found: Remembered, incidents: Mapping[str, Transition]) -> Remembered:
    """The same, each lane holding what its receiver believes to fire and what waits, as of now."""
    lanes = []
    for lane in found.lanes:
        held = {*(lane.told.firing if lane.told else ()), *lane.since}
        lanes.append(lane.with_alerts({i: incidents[i] for i in sorted(held) if i in incidents}))
    return replace(found, lanes=tuple(lanes))


def _past(lane: Lane, now: int) -> bool:
    """Whether what was told cannot matter any more: all is over, and long ago."""
    if lane.since:
        return max(lane.since.values()) + ACKNOWLEDGED_MS <= now
    return lane.told is None or (not lane.told.firing and lane.told.at + HEARD_MS <= now)


def _told_key(address: Address) -> str:
    return f"told/{address.id}"


def _of_kind(entries: Mapping[str, bytes], kind: str) -> Iterable[bytes]:
    for key, value in entries.items():
        if key.startswith(f"{kind}/"):
            yield _unpack(key, value)


def _pack(body: bytes) -> bytes:
    return b"%d " % FORMAT + body


def _unpack(key: str, value: bytes) -> bytes:
    number, _, body = value.partition(b" ")
    if not number.isdigit() or int(number) > FORMAT:
        raise StateFormatError(
            f"the record {key} of monitoring.state has format "
            f"{number.decode('utf-8', 'replace')!r}, this version reads up to {FORMAT}: start the "
            "newer inferwatch again, or use another topics.prefix"
        )
    return body
