"""The notifier's state in memory: for tests and for trying out; a restart forgets it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from consumers.notifier.acknowledgement import Acknowledgement
from consumers.notifier.journal.entry import Remembered
from consumers.notifier.lane import Address, Lane
from consumers.notifier.stages.collect import Arrival
from consumers.notifier.stages.fallback import instead_of
from consumers.notifier.stages.group import Destination
from consumers.notifier.stages.silence import Silence
from consumers.notifier.store.interface import Claim, Filing
from consumers.notifier.transition import Transition


@dataclass
class _Incident:
    seen: set[str] = field(default_factory=set)
    over: bool = False
    destinations: Sequence[Destination] = ()
    also: dict[str, Destination] = field(default_factory=dict)


class MemoryStore:
    """A `Store` that lives as long as its process."""

    def __init__(self) -> None:
        """Begin empty."""
        self._positions: dict[int, int] = {}
        self._incidents: dict[str, _Incident] = defaultdict(_Incident)
        self._open: dict[str, dict[str, str]] = {}
        self._addresses: dict[str, Address] = {}
        self._lanes: dict[str, Lane] = {}
        self._inboxes: dict[str, list[Arrival]] = defaultdict(list)
        self._due: dict[str, int] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._silences: dict[str, Silence] = {}
        self._acknowledgements: dict[str, Acknowledgement] = {}
        self._tokens = count(1)
        self._now = 0
        self._whole = False

    async def positions(self) -> dict[int, int]:
        """See `Store`."""
        return dict(self._positions)

    async def move_to(self, positions: Mapping[int, int], *, back: bool = False) -> None:
        """See `Store`."""
        for partition, offset in positions.items():
            if back or offset >= self._positions.get(partition, 0):
                self._positions[partition] = offset

    async def file(self, filings: Sequence[Filing], now: int) -> list[bool]:
        """See `Store`."""
        return [self._file(filing, now) for filing in filings]

    def _file(self, filing: Filing, now: int) -> bool:
        new = filing.transition
        incident = self._incidents[new.incident]
        if new.id in incident.seen:
            return False
        incident.seen.add(new.id)
        if new.open and incident.over and new.status == "firing":
            # Its end was read first: there is nobody to wake any more.
            return False
        incident.destinations = incident.destinations or filing.destinations
        if new.open:
            self._open[new.incident] = dict(new.labels)
        else:
            incident.over = True
            self._open.pop(new.incident, None)
            self._acknowledgements.pop(new.incident, None)
        for to in (*incident.destinations, *incident.also.values()):
            self._put(Arrival(new, filing.backlog), to, now)
        return True

    def _put(self, arrival: Arrival, to: Destination, now: int) -> None:
        lane = to.address.id
        self._addresses[lane] = to.address
        self._inboxes[lane].append(arrival)
        due = now + to.wait
        if lane not in self._due or (to.prompt and due < self._due[lane]):
            self._due[lane] = due

    async def hand_over(
        self, transitions: Sequence[Transition], to: Sequence[Destination], now: int
    ) -> None:
        """See `Store`."""
        for transition in transitions:
            incident = self._incidents[transition.incident]
            if incident.over and transition.status == "firing":
                continue
            for destination in to:
                incident.also[destination.address.id] = destination
                self._put(Arrival(transition, True), destination, now)

    async def open_alerts(self) -> dict[str, dict[str, str]]:
        """See `Store`."""
        return dict(self._open)

    async def next_due(self) -> int | None:
        """See `Store`."""
        return min(self._due.values(), default=None)

    async def whole(self) -> bool:
        """See `Store`."""
        return self._whole

    async def make_whole(self) -> bool:
        """See `Store`."""
        self._whole = True
        return True

    async def restore(self, remembered: Remembered, now: int) -> None:
        """See `Store`."""
        if not self._whole:
            self._positions.clear()
        for silence in remembered.silences:
            mine = self._silences.get(silence.id)
            # The only change of a silence is its earlier end.
            if silence.ends_at < mine.ends_at if mine else silence.ends_at > now:
                self._silences[silence.id] = silence
        for taken in remembered.acknowledgements:
            self._acknowledgements.setdefault(taken.incident, taken)
        for lane in remembered.lanes:
            if lane.address.id not in self._lanes:
                self._addresses[lane.address.id] = lane.address
                self._lanes[lane.address.id] = lane
                for incident in lane.told.firing if lane.told and instead_of(lane.address) else ():
                    also = self._incidents[incident].also
                    also[lane.address.id] = Destination(lane.address, 0, prompt=True)
                if lane.alerts:
                    self._due.setdefault(lane.address.id, now)

    async def claim(self, now: int, ttl: int, limit: int) -> list[Claim]:
        """See `Store`."""
        if not self._whole:
            return []
        self._now = now
        claims = []
        due = sorted((at, lane) for lane, at in self._due.items() if at <= now)
        for _, lane in due[:limit]:
            _, until = self._leases.get(lane, ("", 0))
            if until > now:
                self._due[lane] = until
                continue
            token = str(next(self._tokens))
            self._leases[lane] = (token, now + ttl)
            self._due[lane] = now + ttl
            claims.append(Claim(lane, token))
        return claims

    async def load(self, claim: Claim) -> tuple[Lane | None, Address, list[Arrival]]:
        """See `Store`."""
        lane = claim.lane
        return self._lanes.get(lane), self._addresses[lane], list(self._inboxes[lane])

    async def save(
        self,
        claim: Claim,
        lane: Lane,
        *,
        used: int,
        due: int | None,
        due_if_more: int,
        keep_for: int | None = None,
    ) -> bool:
        """See `Store`."""
        token, until = self._leases.get(claim.lane, ("", 0))
        if token != claim.token or until <= self._now:
            return False
        self._lanes[claim.lane] = lane
        del self._inboxes[claim.lane][:used]
        if keep_for is not None:
            self._leases[claim.lane] = (token, self._now + keep_for)
        else:
            del self._leases[claim.lane]
        at = due_if_more if self._inboxes[claim.lane] else due
        if at is None:
            self._due.pop(claim.lane, None)
        else:
            self._due[claim.lane] = at
        return True

    async def drop(self, claim: Claim) -> None:
        """See `Store`."""
        self._lanes.pop(claim.lane, None)
        self._inboxes.pop(claim.lane, None)
        self._due.pop(claim.lane, None)
        self._leases.pop(claim.lane, None)

    async def silences(self) -> list[Silence]:
        """See `Store`."""
        return list(self._silences.values())

    async def put_silence(self, silence: Silence, now: int) -> None:
        """See `Store`."""
        self._silences = {k: s for k, s in self._silences.items() if s.ends_at > now}
        self._silences[silence.id] = silence

    async def acknowledgements(self) -> dict[str, Acknowledgement]:
        """See `Store`."""
        return dict(self._acknowledgements)

    async def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """See `Store`."""
        self._acknowledgements[acknowledgement.incident] = acknowledgement
