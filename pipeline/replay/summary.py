"""What a replay comes to, in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inferwatch.events.alert import Severity
from pipeline.replay.known import Episode, Score

MONTH_MS = 30 * 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of a replay.

    Attributes:
        rows: prediction rows taken in; `too_late` is part of them.
        deadletter: events rejected, by reason.
        episodes: all incidents.
        models: every model that had a window.
        span_ms: event time from the first window's start to the last one's end.
        score: against the known bad times; None where none were given.
    """

    rows: int
    windows: int
    deadletter: Mapping[str, int]
    too_late: int
    duplicates: int
    lost: int
    episodes: Sequence[Episode]
    models: Sequence[str]
    span_ms: int
    score: Score | None

    def severities(self, severity: Severity, model: str | None = None) -> int:
        """How many incidents of a severity there were, of one model or of all."""
        return sum(one.severity is severity and model in (None, one.model) for one in self.episodes)

    def a_month(self, count: int) -> float | None:
        """A count as one a month of 30 days; None where no time passed."""
        return count * MONTH_MS / self.span_ms if self.span_ms else None

    def as_plain(self) -> dict[str, Any]:
        """What `--json` prints."""
        plain: dict[str, Any] = {
            "rows": self.rows,
            "windows": self.windows,
            "deadletter": dict(sorted(self.deadletter.items())),
            "too_late": self.too_late,
            "duplicates": self.duplicates,
            "lost": self.lost,
            "pages": self.severities(Severity.PAGE),
            "tickets": self.severities(Severity.TICKET),
            "incidents": len(self.episodes),
        }
        if self.score is not None:
            plain["known"] = {
                "found": [
                    {"name": bad.name, "model": bad.model, "delay_ms": delay}
                    for bad, delay in self.score.found
                ],
                "missed": [{"name": bad.name, "model": bad.model} for bad in self.score.missed],
                "false": len(self.score.false),
            }
        return plain
