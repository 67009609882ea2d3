"""Incidents, folded from the transitions of their alerts.

A transition is incident + status (+ revision when corrected); one that comes again changes nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from consumers.dashboard.format import FORMAT, check_format
from inferwatch.events.alert import Alert, Severity, Status
from inferwatch.events.json_codec import dumps, from_plain

MAX_INCIDENTS = 2_000

_WEIGHT = {Severity.PAGE: 0, Severity.TICKET: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Transition:
    """One step in an incident's life; `revision` is None unless it is a correction."""

    status: Status
    revision: int | None
    at: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident: the newest alert, and how it came to it.

    Attributes:
        alert: the newest one; where it says nothing of evidence, causes or suggestions, it has
            those of the one before.
    """

    alert: Alert
    transitions: tuple[Transition, ...]

    @classmethod
    def opened(cls, alert: Alert) -> Incident:
        """The incident as its first transition shows it."""
        return cls(alert, (_transition(alert),))

    @property
    def firing(self) -> bool:
        """Whether it goes on."""
        return self.alert.status != Status.RESOLVED and self.alert.ends_at is None

    def has(self, status: str | None) -> bool:
        """Whether it is firing, is resolved, or was ever corrected; any for None."""
        if status == Status.CORRECTED:
            return any(t.status == Status.CORRECTED for t in self.transitions)
        return status is None or self.firing == (status == Status.FIRING)

    def taking(self, alert: Alert) -> Incident | None:
        """With one more transition; None when it has had this one."""
        new = _transition(alert)
        if any((t.status, t.revision) == (new.status, new.revision) for t in self.transitions):
            return None
        transitions = tuple(sorted((*self.transitions, new), key=lambda t: t.at))
        older, newer = sorted((self.alert, alert), key=_progress)
        filled = dataclasses.replace(
            newer,
            evidence=newer.evidence or older.evidence,
            causes=newer.causes or older.causes,
            suggestions=newer.suggestions or older.suggestions,
        )
        return Incident(filled, transitions)

    def encode(self) -> bytes:
        """For storage."""
        return bytes([FORMAT]) + dumps(self)

    @classmethod
    def decode(cls, data: bytes) -> Incident:
        """What `encode` wrote."""
        return from_plain(cls, orjson.loads(check_format(data, "a dashboard incident")))


def _transition(alert: Alert) -> Transition:
    corrected = alert.status == Status.CORRECTED
    revision = alert.window.revision if corrected else None
    return Transition(alert.status, revision, alert.updated_at, alert.value)


def _progress(alert: Alert) -> tuple[int, bool]:
    # At one instant an end comes after a beginning.
    return (alert.updated_at, alert.status == Status.RESOLVED)


class Incidents:
    """Incidents by id, at most `limit`: firing ones stay, of the rest the newest."""

    def __init__(self, incidents: Iterable[Incident] = (), *, limit: int = MAX_INCIDENTS) -> None:
        """Begin with what was stored."""
        self._incidents = {i.alert.incident: i for i in incidents}
        self._limit = limit

    def fold(self, alert: Alert) -> Incident | None:
        """Take a transition in; None when it was in already."""
        known = self._incidents.get(alert.incident)
        incident = Incident.opened(alert) if known is None else known.taking(alert)
        if incident is not None:
            self._incidents[alert.incident] = incident
        return incident

    def forget(self, before: int) -> list[str]:
        """Drop what ended before `before` (event time), and the oldest above the limit."""
        by_age = sorted(self._incidents.values(), key=lambda i: (i.firing, i.alert.updated_at))
        excess = len(by_age) - self._limit
        gone = [
            i.alert.incident
            for n, i in enumerate(by_age)
            if n < excess or (not i.firing and i.alert.updated_at < before)
        ]
        for incident in gone:
            del self._incidents[incident]
        return gone

    def get(self, incident: str) -> Incident | None:
        """One incident by its id."""
        return self._incidents.get(incident)

    def all(self) -> list[Incident]:
        """Firing ones first, pages before tickets, then the newest first."""
        return sorted(self._incidents.values(), key=_urgency)

    def firing(self) -> list[Incident]:
        """Those that go on, in the same order."""
        return [i for i in self.all() if i.firing]


def _urgency(incident: Incident) -> tuple[bool, int, int, str]:
    alert = incident.alert
    weight = _WEIGHT.get(alert.severity, 1) if incident.firing else 0
    return (not incident.firing, weight, -alert.starts_at, alert.incident)
