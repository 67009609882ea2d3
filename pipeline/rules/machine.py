"""The state machine of one watched thing: quiet, pending, firing, recovering.

    quiet --breach--> pending --held for `for`--> firing --clear--> recovering --> quiet (resolved)
                         '--clear--> quiet           ^---breach-------'

All time is event time: the ends of the windows that were judged. A window that cannot tell
(`unknown`) moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.rules.verdict import State

FLAP_WINDOWS = 10
"""An alert that fires again within this many windows of its end is flapping."""


class Phase(StrEnum):
    """Where the machine is."""

    QUIET = "quiet"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"


class Moved(StrEnum):
    """What the outside hears of."""

    FIRED = "fired"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a detector is, in milliseconds of event time.

    Attributes:
        hold: how long a breach must last before it fires (`for`).
        keep: how long without a breach before it resolves (`keep_firing_for`).
        size, slide: of the window that is judged.
    """

    hold: int
    keep: int
    size: int
    slide: int


@dataclass(slots=True)
class Machine:
    """Where one watched thing stands.

    Attributes:
        starts_at: when the bad time began: the start of the first bad window, or of its newest
            slice where windows slide. Set from pending on.
        since: end of the first bad window.
        last_end: end of the last window judged, and not unknown.
        last_breach: end of the last bad window.
        refires: how often it came straight back, which makes it slower to resolve.
    """

    phase: Phase = Phase.QUIET
    starts_at: int = 0
    since: int = 0
    last_end: int | None = None
    last_breach: int = 0
    resolved_at: int | None = None
    refires: int = field(default=0)

    @property
    def is_open(self) -> bool:
        """Whether an incident is under way."""
        return self.phase in (Phase.FIRING, Phase.RECOVERING)

    def advance(
        self,
        state: State,
        end: int,
        timing: Timing,
        *,
        urgent: bool = False,
        since: int | None = None,
    ) -> Moved | None:
        """Take the verdict of the window that ends at `end`; it may tell of a time before.

        >>> machine, minute = Machine(), Timing(hold=120, keep=0, size=60, slide=60)
        >>> [machine.advance(State.BREACHED, end, minute) for end in (60, 120, 180)]
        [None, None, <Moved.FIRED: 'fired'>]
        >>> machine.advance(State.CLEAR, 240, minute), machine.starts_at
        (<Moved.RESOLVED: 'resolved'>, 0)
        """
        if state is State.UNKNOWN:
            return None
        gap = 0 if self.last_end is None else end - self.last_end
        self.last_end = end
        if state is State.BREACHED:
            return self._breach(end, gap, timing, urgent, since)
        return self._clear(end, timing)

    def _breach(
        self, end: int, gap: int, timing: Timing, urgent: bool, since: int | None
    ) -> Moved | None:
        self.last_breach = end
        if self.is_open:
            self.phase = Phase.FIRING
            return None
        # After a silence nobody knows whether the condition held: `for` begins anew.
        if self.phase is Phase.QUIET or gap > 3 * timing.size:
            self.phase, self.since, self.starts_at = Phase.PENDING, end, end - timing.slide
            if since is not None:
                after = -1 if self.resolved_at is None else self.resolved_at
                self.starts_at = max(after, min(since, self.starts_at))
        if not urgent and end - self.since < timing.hold:
            return None
        self.phase = Phase.FIRING
        back_soon = (
            self.resolved_at is not None
            and self.starts_at - self.resolved_at <= FLAP_WINDOWS * timing.size
        )
        self.refires = self.refires + 1 if back_soon else 0
        return Moved.FIRED

    def _clear(self, end: int, timing: Timing) -> Moved | None:
        if not self.is_open:
            self.phase = Phase.QUIET
            return None
        if end - self.last_breach < self._patience(timing):
            self.phase = Phase.RECOVERING
            return None
        return self.close()

    def close(self) -> Moved:
        """End the incident under way."""
        self.phase, self.resolved_at = Phase.QUIET, self.last_breach
        return Moved.RESOLVED

    def _patience(self, timing: Timing) -> int:
        # The first two rounds are taken at the config's word; after that each return doubles the
        # windows that must be good: 2, 4, 8, 16.
        damping = 0 if self.refires < 2 else timing.size * 2 ** (min(self.refires, 5) - 1)
        return timing.keep + damping

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        return [
            str(self.phase),
            self.starts_at,
            self.since,
            self.last_end,
            self.last_breach,
            self.resolved_at,
            self.refires,
        ]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Machine:
        """What `as_plain` wrote."""
        phase, *rest = plain
        return cls(Phase(phase), *rest)
