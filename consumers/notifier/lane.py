"""A lane: one group of alerts on its way to one channel of one receiver.

Each channel of a receiver has a lane of its own, so a dead one delays no other, and the messages
of a lane leave one after the other, so an incident's order is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import orjson

from consumers.notifier import notification as notifications
from consumers.notifier.notification import Notification, Posted
from consumers.notifier.transition import Transition, transition_from_json
from inferwatch.errors import StateFormatError

FORMAT = 1
# How long a receiver's knowledge of an incident matters: its correction may come so late.
HEARD_MS = 7 * 86_400_000
# And of how many of them, so that a busy group stays small.
HEARD_COUNT = 1_000


@dataclass(frozen=True)
class Address:
    """Which lane: a route, a channel of a receiver, and the labels of a group."""

    route: str
    receiver: str
    kind: str
    index: int
    labels: Mapping[str, str]

    @cached_property
    def id(self) -> str:
        """A short name for the lane, stable over restarts and processes."""
        return hashlib.sha256(self.to_json()).hexdigest()[:24]

    @property
    def group_key(self) -> str:
        """The group in words, as Alertmanager writes it.

        >>> Address("{}", "ops", "webhook", 0, {"model": "fraud"}).group_key
        '{}:{model="fraud"}'
        """
        labels = ", ".join(f'{k}="{v}"' for k, v in sorted(self.labels.items()))
        return f"{self.route}:{{{labels}}}"

    def to_json(self) -> bytes:
        """The address, to be stored."""
        parts = [self.route, self.receiver, self.kind, self.index, dict(self.labels)]
        return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def address_from_json(data: bytes) -> Address:
    """The address that `Address.to_json` wrote."""
    return Address(*orjson.loads(data))


@dataclass(frozen=True, slots=True)
class Told:
    """What the channel was told last, and what it has heard of so far.

    Attributes:
        at: when (ms since the epoch).
        firing: the incidents that fired in the last message.
        resolved: the incidents that were over in the last message.
        heard: every transition that was told, with its time.
        posted: the message that shows the group, while any of it fires, where it can be edited.
    """

    at: int
    firing: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()
    heard: Mapping[str, int] = field(default_factory=dict)
    posted: Posted | None = None

    def knows(self, incident: str) -> bool:
        """Whether the receiver ever heard of this incident."""
        return f"{incident}/firing" in self.heard or f"{incident}/resolved" in self.heard


@dataclass(frozen=True, slots=True)
class Lane:
    """The state of a lane.

    Attributes:
        address: which lane.
        alerts: the latest transition of each incident that the group holds.
        told: the last message that went out.
        pending: a message that is on its way: it is sent until the receiver has it.
        covered: the incidents that the pending message settles.
        attempts: how often the pending message was tried.
        retry_at: before this time (ms since the epoch) it is not tried again.
        handed: the transitions that another receiver was told of instead, as this one stays dead.
        since: in a step of an escalation, from when each incident waits (ms since the epoch).
    """

    address: Address
    alerts: Mapping[str, Transition] = field(default_factory=dict)
    told: Told | None = None
    pending: Notification | None = None
    covered: frozenset[str] = frozenset()
    attempts: int = 0
    retry_at: int = 0
    handed: frozenset[str] = frozenset()
    since: Mapping[str, int] = field(default_factory=dict)

    def knows(self, incident: str) -> bool:
        """Whether the group holds the incident, or its receiver heard of it."""
        return incident in self.alerts or (self.told is not None and self.told.knows(incident))

    def without_pending(self) -> Lane:
        """The lane with no message on its way."""
        return replace(
            self, pending=None, covered=frozenset(), attempts=0, retry_at=0, handed=frozenset()
        )

    def with_alerts(self, alerts: Mapping[str, Transition]) -> Lane:
        """The lane with other alerts."""
        return replace(self, alerts=alerts)


def lane_to_json(lane: Lane) -> bytes:
    """The lane, to be stored; it begins with the format number."""
    plain = {
        "address": lane.address.to_json().decode(),
        "alerts": [dict(t.event) for t in lane.alerts.values()],
        "told": lane.told and _told_plain(lane.told),
        "pending": lane.pending and notifications.to_plain(lane.pending),
        "covered": sorted(lane.covered),
        "attempts": lane.attempts,
        "retry_at": lane.retry_at,
        "handed": sorted(lane.handed),
        "since": dict(lane.since),
    }
    return b"%d " % FORMAT + orjson.dumps(plain)


def lane_from_json(data: bytes) -> Lane:
    """The lane that `lane_to_json` wrote.

    Raises:
        StateFormatError: a newer version wrote it.
    """
    number, _, body = data.partition(b" ")
    check_format(number, "the state of a group of alerts")
    plain = orjson.loads(body)
    alerts = [transition_from_json(orjson.dumps(event)) for event in plain["alerts"]]
    return Lane(
        address=address_from_json(plain["address"].encode()),
        alerts={t.incident: t for t in alerts},
        told=_told(plain["told"]),
        pending=plain["pending"] and notifications.from_plain(plain["pending"]),
        covered=frozenset(plain["covered"]),
        attempts=plain["attempts"],
        retry_at=plain["retry_at"],
        handed=frozenset(plain.get("handed", ())),
        since=plain.get("since", {}),
    )


def knowledge_to_json(lane: Lane) -> bytes:
    """What the lane's receiver was told, and what waits; enough to tell it nothing twice."""
    told = lane.told and _told_plain(lane.told)
    return orjson.dumps(
        {"address": lane.address.to_json().decode(), "told": told, "since": dict(lane.since)}
    )


def knowledge_from_json(data: bytes) -> Lane:
    """A lane that holds nothing but what `knowledge_to_json` wrote."""
    plain = orjson.loads(data)
    return Lane(
        address_from_json(plain["address"].encode()),
        told=_told(plain["told"]),
        since=plain.get("since", {}),
    )


def check_format(number: bytes, what: str) -> None:
    """Refuse stored state of a newer format."""
    if not number.isdigit() or int(number) > FORMAT:
        raise StateFormatError(
            f"{what} in Redis has format {number.decode('utf-8', 'replace')!r}, this version reads "
            f"up to {FORMAT}: start the newer inferwatch again, or use another topics.prefix"
        )


def _told_plain(told: Told) -> dict[str, Any]:
    return {
        "at": told.at,
        "firing": sorted(told.firing),
        "resolved": sorted(told.resolved),
        "heard": dict(told.heard),
        "posted": notifications.posted_plain(told.posted),
    }


def _told(plain: Mapping[str, Any] | None) -> Told | None:
    if plain is None:
        return None
    return Told(
        at=plain["at"],
        firing=frozenset(plain["firing"]),
        resolved=frozenset(plain["resolved"]),
        heard=plain["heard"],
        posted=notifications.posted_from(plain.get("posted")),
    )
