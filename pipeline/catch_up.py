"""Catching up a backlog: nobody is paged for what is over by then.

A worker that starts, or that could not work for a while, has a backlog of records; an incident in
it may have ended hours ago. As long as a model is behind, its alerts wait in the outbox. Then they
go out in their order, and what fired and ended in the meantime says so: its `firing` event has an
`ends_at`, and the notifier passes it over. What still fires is told as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from inferwatch.events.alert import Status
from inferwatch.events.json_codec import alert_from_json, dumps
from pipeline.progress import Progress
from pipeline.state.keys import SourcePartition
from pipeline.windows.name_limit import OTHER

UNOWNED_MS = 60_000
"""A partition that has had no owner for so long is not waited for: silence helps nobody."""


class CatchUp:
    """Which models are behind.

    All of them are until every input partition is counted up to where its log ended when this
    began; then each is until its windows up to there are worked out. What comes later is no
    backlog, however much it is.
    """

    def __init__(self) -> None:
        """All models are behind."""
        self._ends: dict[SourcePartition, int] = {}
        self._behind: set[str] | None = None
        self._unowned_since: dict[SourcePartition, int] = {}

    def begin(self) -> None:
        """Work was interrupted: what came meanwhile is a backlog."""
        self._ends, self._behind, self._unowned_since = {}, None, {}

    def look(self, progress: Progress) -> None:
        """Note where the logs end, and whether they are counted up to there."""
        if self._behind is not None:
            return
        now, since = progress.now_ms, self._unowned_since
        for source, one in progress.sources.items():
            if one.beat is None:
                since.setdefault(source, now)
            else:
                since.pop(source, None)
                self._ends.setdefault(source, one.beat.end)
        sources = {
            source: one
            for source, one in progress.sources.items()
            if now - since.get(source, now) < UNOWNED_MS
        }
        if all(
            one.offset is not None and one.offset + 1 >= self._ends.get(source, one.offset + 2)
            for source, one in sources.items()
        ):
            self._behind = {*progress.models, OTHER}

    def behind(self, model: str) -> bool:
        """Whether a model is behind."""
        return self._behind is None or model in self._behind

    def worked_out(self, model: str) -> None:
        """All windows of a model that were due are worked out."""
        if self._behind is not None:
            self._behind.discard(model)


def ends_of(alerts: Iterable[bytes]) -> dict[str, int]:
    """Incident -> when it ended, of those whose end is among these alerts."""
    known = map(alert_from_json, alerts)
    return {a.incident: a.ends_at for a in known if a.ends_at is not None}


def known_to_be_over(alert: bytes, ends: Mapping[str, int]) -> bytes:
    """The alert, with the end of its incident where that is known."""
    known = alert_from_json(alert)
    if known.status is not Status.FIRING or known.incident not in ends:
        return alert
    return dumps(replace(known, ends_at=ends[known.incident]))
