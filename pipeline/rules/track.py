"""One watched thing over time: its machine, the verdicts it stands on, the incidents it made.

The verdicts are kept so that a late revision can overturn what they led to: an incident that the
revised verdicts would never have fired is corrected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.rules.machine import Machine, Moved, Phase, Timing
from pipeline.rules.verdict import Finding, State, Verdict

MAX_JUDGEMENTS = 512
MAX_CLOSED = 8


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of one window, with the limits that it was held against."""

    end: int
    state: State
    urgent: bool
    findings: tuple[Finding, ...]
    since: int | None = None

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        findings = [f.as_plain() for f in self.findings]
        return [self.end, str(self.state), self.urgent, findings, self.since]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Judgement:
        """What `as_plain` wrote."""
        end, state, urgent, findings, *since = plain  # format 1 knew no `since`
        return cls(end, State(state), urgent, tuple(Finding(*f) for f in findings), *since)


@dataclass(slots=True)
class Episode:
    """An incident: when it began, and what was told of it.

    Attributes:
        story: the plain form of the alert that fired, for the transitions that follow.
        judgements: the verdicts since its first bad window, in window order.
        settled: some of those can change no more, so the incident stands.
    """

    starts_at: int
    story: dict[str, Any] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)
    settled: bool = False

    def find(self, end: int) -> int | None:
        """Where the verdict of the window that ended then stands."""
        return next((i for i, j in enumerate(self.judgements) if j.end == end), None)

    def trim(self, oldest: int) -> None:
        """Forget verdicts that can change no more, and what exceeds the bound."""
        keep = [j for j in self.judgements if j.end >= oldest][-MAX_JUDGEMENTS:]
        self.settled = self.settled or len(keep) < len(self.judgements)
        self.judgements = keep

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        return [self.starts_at, self.story, [j.as_plain() for j in self.judgements], self.settled]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Episode:
        """What `as_plain` wrote."""
        starts_at, story, judgements, settled = plain
        return cls(starts_at, story, [Judgement.from_plain(j) for j in judgements], settled)


@dataclass(slots=True)
class Track:
    """One detector on one version and segment.

    Attributes:
        current: the incident under way, or the pending one.
        closed: the last incidents that ended, the newest last; they can still be corrected.
    """

    machine: Machine = field(default_factory=Machine)
    current: Episode | None = None
    closed: list[Episode] = field(default_factory=list)

    def judge(self, verdict: Verdict, end: int, timing: Timing, retention: int) -> Moved | None:
        """Take the verdict of the next window."""
        moved = self.machine.advance(
            verdict.state, end, timing, urgent=verdict.urgent, since=verdict.since
        )
        self.closed = [
            e for e in self.closed if e.judgements and e.judgements[-1].end > end - retention
        ]
        if self.machine.phase is Phase.QUIET:
            self._close(moved)
            return moved
        if self.current is None or self.current.starts_at != self.machine.starts_at:
            self.current = Episode(self.machine.starts_at)
        if verdict.state is not State.UNKNOWN:
            held = verdict.findings if verdict.state is State.BREACHED else ()
            self.current.judgements.append(
                Judgement(end, verdict.state, verdict.urgent, held, verdict.since)
            )
            self.current.trim(end - retention)
        return moved

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost without it."""
        return self.machine.phase is Phase.QUIET and not self.closed

    def stories(self, since: int, end: int) -> Iterator[dict[str, Any]]:
        """What was told of incidents that fired by the window that ended then, and lasted since.

        In event time, so that it does not matter how far this track is ahead of the one that asks.
        """
        for episode in self._open_first():
            bad = [j.end for j in episode.judgements if j.state is State.BREACHED]
            told = episode.story
            if told and told["alert"]["updated_at"] <= end and max(bad, default=since) > since:
                yield told

    def expire(self, clock: int, patience: int) -> bool:
        """End an incident whose windows stopped coming; whether there was one."""
        last = self.machine.last_end
        if last is None or clock - last < patience or not self.machine.is_open:
            return False
        self._close(self.machine.close())
        return True

    def _close(self, moved: Moved | None) -> None:
        if moved is Moved.RESOLVED and self.current is not None:
            self.closed = [*self.closed, self.current][-MAX_CLOSED:]
        self.current = None

    def held(self, end: int) -> Judgement | None:
        """The verdict that an incident of now or late stands on, for the window that ended then."""
        for episode in self._open_first():
            at = episode.find(end)
            if at is not None:
                return episode.judgements[at]
        return None

    def revise(self, end: int, timing: Timing) -> Episode | None:
        """The window that ended then was good after all; the incident that this overturns."""
        for episode in self._open_first():
            at = episode.find(end)
            if at is None:
                continue
            episode.judgements[at] = replace(
                episode.judgements[at], state=State.CLEAR, urgent=False, findings=()
            )
            return self._overturn(episode, timing)
        return None

    def _open_first(self) -> list[Episode]:
        return [*([self.current] if self.current else []), *reversed(self.closed)]

    def _overturn(self, episode: Episode, timing: Timing) -> Episode | None:
        again = Machine(resolved_at=self.machine.resolved_at, refires=self.machine.refires)
        fired = any(
            again.advance(j.state, j.end, timing, urgent=j.urgent, since=j.since) is Moved.FIRED
            for j in list(episode.judgements)
        )
        if episode is not self.current:
            if fired or episode.settled:
                return None
            self.closed.remove(episode)
            return episode
        if self.machine.is_open:
            if fired or episode.settled:
                return None
            overturned = replace(episode)
        else:
            overturned = None
        # What is left may still be pending: carry on from there.
        again.last_end = self.machine.last_end
        self.machine = again
        if again.phase is Phase.QUIET:
            self.current = None
        else:
            left = [j for j in episode.judgements if j.end >= again.since]
            self.current = Episode(again.starts_at, judgements=left)
        return overturned

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        return [
            self.machine.as_plain(),
            None if self.current is None else self.current.as_plain(),
            [e.as_plain() for e in self.closed],
        ]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Track:
        """What `as_plain` wrote."""
        machine, current, closed = plain
        return cls(
            Machine.from_plain(machine),
            None if current is None else Episode.from_plain(current),
            [Episode.from_plain(e) for e in closed],
        )
