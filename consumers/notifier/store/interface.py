"""The interface of the notifier's state.

Several notifiers share one store. Each files every transition that it reads; the first one wins.
A lane that is due is claimed for a while; only the one who holds it may save it, and when its
holder dies, the lane comes due again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from consumers.notifier.acknowledgement import Acknowledgement
from consumers.notifier.journal.entry import Remembered
from consumers.notifier.lane import Address, Lane
from consumers.notifier.stages.collect import Arrival
from consumers.notifier.stages.group import Destination
from consumers.notifier.stages.silence import Silence
from consumers.notifier.transition import Transition


@dataclass(frozen=True, slots=True)
class Claim:
    """A lane that this notifier may work on until the claim runs out."""

    lane: str
    token: str


@dataclass(frozen=True, slots=True)
class Filing:
    """A transition with the lanes it goes into.

    Attributes:
        transition: what happened.
        destinations: where its labels lead; the end of an incident goes where its begin went.
        backlog: whether it was already old when it was read.
    """

    transition: Transition
    destinations: Sequence[Destination]
    backlog: bool = False


class Store(Protocol):
    """The notifier's state. Times are milliseconds since the epoch."""

    async def positions(self) -> dict[int, int]:
        """The next offset to read of each partition of the alerts topic."""
        ...

    async def move_to(self, positions: Mapping[int, int], *, back: bool = False) -> None:
        """Note how far the topic was read; without `back` a position never goes back."""
        ...

    async def file(self, filings: Sequence[Filing], now: int) -> list[bool]:
        """Put transitions into their lanes; False for each one that was filed before.

        Atomic for each transition, and all of it before the position moves on.
        """
        ...

    async def hand_over(
        self, transitions: Sequence[Transition], to: Sequence[Destination], now: int
    ) -> None:
        """Put transitions into more lanes, which then take all that follows of their incidents.

        Atomic for each transition; doing it twice puts them there twice. A begin whose end was
        filed already stays out: a lane that the end went by would repeat it without end.
        """
        ...

    async def open_alerts(self) -> dict[str, dict[str, str]]:
        """The labels of every incident that goes on."""
        ...

    async def next_due(self) -> int | None:
        """When the next lane is due."""
        ...

    async def whole(self) -> bool:
        """Whether it holds all that it was ever told: False when new, and once it was emptied."""
        ...

    async def make_whole(self) -> bool:
        """Note that what it had lost is there again; False when it was emptied since `restore`."""
        ...

    async def restore(self, remembered: Remembered, now: int) -> None:
        """Add what a second place remembers and this one lost; what it has itself stays.

        The first one to restore a store that is not whole takes its positions back: what was filed
        before is lost, so that all is read again.
        """
        ...

    async def claim(self, now: int, ttl: int, limit: int) -> list[Claim]:
        """Take lanes that are due; each comes due again after `ttl` if it is not saved.

        None while the store is not whole: what it lost might have said that nobody is to be told.
        """
        ...

    async def load(self, claim: Claim) -> tuple[Lane | None, Address, list[Arrival]]:
        """The state of a claimed lane, its address, and its inbox in order."""
        ...

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
        """Save a lane, drop the used part of its inbox, and let it go (or keep it `keep_for` ms).

        All of it or nothing: False when the claim has run out and somebody else has the lane.
        """
        ...

    async def drop(self, claim: Claim) -> None:
        """Forget a lane: its receiver is no longer in the config."""
        ...

    async def silences(self) -> list[Silence]:
        """All silences; some may be over."""
        ...

    async def put_silence(self, silence: Silence, now: int) -> None:
        """Add or replace a silence."""
        ...

    async def acknowledgements(self) -> dict[str, Acknowledgement]:
        """Who works on which incident, by incident; that of an incident that is over is gone."""
        ...

    async def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Note that somebody works on an incident."""
        ...
