"""Silence: somebody on call asked not to hear of some alerts for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumers.notifier.reason import Hold
from consumers.notifier.stages.route import Route
from inferwatch.settings.notify.matchers import Matcher, all_match


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One silence; all matchers must hold. Times are milliseconds since the epoch."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    created_by: str
    comment: str

    def active(self, now: int) -> bool:
        """Whether it holds at a time."""
        return self.starts_at <= now < self.ends_at


class Silencer:
    """All silences."""

    def __init__(self, silences: Sequence[Silence]) -> None:
        """Keep the silences."""
        self._silences = silences

    def hold(self, route: Route, labels: Mapping[str, str], now: int) -> Hold | None:
        """Whether a silence covers an alert with these labels."""
        covered = any(s.active(now) and all_match(s.matchers, labels) for s in self._silences)
        return Hold.SILENCED if covered else None
