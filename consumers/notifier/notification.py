"""One message to one receiver: frozen when it is first sent, the same at every try."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from consumers.notifier.page import clock
from consumers.notifier.reason import Reason
from consumers.notifier.transition import Transition, transition_from_json


def notification_id(transitions: Iterable[str], repeated_after: int | None = None) -> str:
    """The id of a message, made of the transitions that it tells for the first time.

    The same transitions have the same id in every process and at every try, so a receiver can
    drop what it already has. A repetition tells nothing new; it is told apart by the time of the
    message that it repeats.

    >>> notification_id(["i/firing"])
    'msg_59538892556203bcfc819d4524ad174e'
    """
    parts = sorted(transitions)
    if repeated_after is not None:
        parts.append(f"repeat/{repeated_after}")
    return "msg_" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands at its receiver, so that it can be edited later.

    Attributes:
        place: the channel, in the receiver's own words.
        id: which message there.
    """

    place: str
    id: str


class Escalated(NamedTuple):
    """That nobody acknowledged: the step of the escalation, and since when (ms since the epoch)."""

    step: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message.

    Attributes:
        id: the same at every try.
        reason: why it is sent.
        receiver: the receiver's name.
        group_key: which group of alerts it is about.
        group_labels: the labels that the group has in common by `group_by`.
        alerts: what is told, alerts that fire first.
        at: when it was made (ms since the epoch).
        follows: the group's first message, where the channel can edit it.
        escalated: why it comes to this receiver too, where it is an escalation.
        digest_since: from when on it tells what came and went, where it is a digest.
        instead_of: the receiver that stays dead, where this one stands in for it.
    """

    id: str
    reason: Reason
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    alerts: tuple[Transition, ...]
    at: int
    follows: Posted | None = None
    escalated: Escalated | None = None
    digest_since: int | None = None
    instead_of: str | None = None

    @property
    def tag(self) -> str:
        """A word or two before its title: what kind of message it is; mostly nothing."""
        if self.escalated is not None:
            return f"Escalation {self.escalated.step}"
        if self.instead_of is not None:
            return f"For {self.instead_of}"
        return "" if self.digest_since is None else "Digest"

    @property
    def preface(self) -> str:
        """A sentence before its alerts: why it comes; mostly nothing."""
        if self.instead_of is not None:
            return f"This is for {self.instead_of}, which does not take it: you are told instead"
        if self.digest_since is not None:
            return (
                f"Digest since {clock(self.digest_since)}: {len(self.firing)} go on, "
                f"{len(self.resolved)} are over"
            )
        if self.escalated is None:
            return ""
        return f"{self.tag}: nobody has acknowledged this since {clock(self.escalated.since)}"

    @property
    def counts(self) -> str:
        """How many of its alerts fire and are over, for a title: `[1 firing, 2 resolved] `."""
        if self.reason == Reason.HEARTBEAT:
            return ""
        firing, over = len(self.firing), len(self.resolved)
        said = [f"{firing} firing"] * bool(firing) + [f"{over} resolved"] * bool(over)
        return f"[{', '.join(said)}] "

    def titled(self, title: str) -> str:
        """A title with the tag before it."""
        return f"{self.tag}: {title}" if self.tag else title

    @property
    def firing(self) -> tuple[Transition, ...]:
        """The alerts whose incidents go on."""
        return tuple(a for a in self.alerts if a.open)

    @property
    def resolved(self) -> tuple[Transition, ...]:
        """The alerts whose incidents are over."""
        return tuple(a for a in self.alerts if not a.open)

    def common_labels(self) -> dict[str, str]:
        """The labels that all alerts share."""
        if not self.alerts:
            return {}
        first, *rest = (a.labels for a in self.alerts)
        return {k: v for k, v in first.items() if all(r.get(k) == v for r in rest)}


def to_plain(notification: Notification) -> dict[str, Any]:
    """A notification as plain values, to be stored."""
    return {
        "id": notification.id,
        "reason": notification.reason,
        "receiver": notification.receiver,
        "group_key": notification.group_key,
        "group_labels": dict(notification.group_labels),
        "alerts": [dict(a.event) for a in notification.alerts],
        "at": notification.at,
        "follows": posted_plain(notification.follows),
        "escalated": notification.escalated and list(notification.escalated),
        "digest_since": notification.digest_since,
        "instead_of": notification.instead_of,
    }


def from_plain(plain: Mapping[str, Any]) -> Notification:
    """The notification that `to_plain` wrote."""
    return Notification(
        id=plain["id"],
        reason=Reason(plain["reason"]),
        receiver=plain["receiver"],
        group_key=plain["group_key"],
        group_labels=plain["group_labels"],
        alerts=tuple(transition_from_json(orjson.dumps(a)) for a in plain["alerts"]),
        at=plain["at"],
        follows=posted_from(plain.get("follows")),
        escalated=Escalated(*plain["escalated"]) if plain.get("escalated") else None,
        digest_since=plain.get("digest_since"),
        instead_of=plain.get("instead_of"),
    )


def posted_plain(posted: Posted | None) -> list[str] | None:
    """Where a message stands, as plain values."""
    return None if posted is None else [posted.place, posted.id]


def posted_from(plain: list[str] | None) -> Posted | None:
    """What `posted_plain` wrote."""
    return None if plain is None else Posted(*plain)
