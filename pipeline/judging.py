"""What is judged of one model's windows, and in which order: pure, for the worker and a replay.

A window's final part is judged when it is final, in window order; its quality when its labels are
in, in window order too; each once. What comes later can only correct what an alert said.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import Any

from inferwatch.events.alert import Alert
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from pipeline.models import ModelPlan
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.rules.budget import Budget
from pipeline.rules.readiness import QualityReadiness
from pipeline.rules.watch import ModelWatch
from pipeline.unjudged import Track, Unjudged
from pipeline.windows.grid import Span
from pipeline.windows.names import join_names, split_names
from pipeline.windows.result import WindowKey
from pipeline.windows.watermark import NEVER

Look = Callable[[WindowKey, WindowResult], WindowResult]
"""A window's result as its labels stand now, given the one that is known."""


MAX_TRACKS = 4_096
"""Tracks of which it is known how far they were judged, before those that ended are forgotten."""
FORGOTTEN: Track = ("", "", "")
"""All tracks that were forgotten, as one: stored with the others, so older versions read it too."""


@dataclass(slots=True)
class Judged:
    """How far the windows of each track were judged: their ends.

    Guarantee: no window is judged twice. Of a track that was forgotten it is known that it was
    judged as far as any that was forgotten with it.
    """

    final: dict[Track, int] = field(default_factory=dict)
    quality: dict[Track, int] = field(default_factory=dict)

    def has_final(self, key: WindowKey) -> bool:
        """Whether the final part of the window was judged."""
        return key.span.end <= _reached(self.final, key.track)

    def has_quality(self, key: WindowKey) -> bool:
        """Whether the quality of the window was judged."""
        return key.span.end <= _reached(self.quality, key.track)

    def forget(self, closed: int, waiting: Container[Track], most: int) -> None:
        """Where there are too many tracks, drop those that ended long ago.

        Args:
            closed: windows that end before it take nothing any more.
            waiting: tracks with windows whose quality is still to be judged: they stay.
            most: so many tracks are not too many.
        """
        for part in (self.final, self.quality):
            if len(part) <= most:
                continue
            gone = [t for t, end in part.items() if end < closed and t not in waiting]
            if gone:
                part[FORGOTTEN] = max(_reached(part, FORGOTTEN), *(part.pop(t) for t in gone))

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            [[*track, end] for track, end in part.items()] for part in (self.final, self.quality)
        ]

    @classmethod
    def restore(cls, plain: list[Any]) -> Judged:
        """What `snapshot` gave."""
        return cls(*({(a, b, c): end for a, b, c, end in part} for part in plain))


def _reached(part: Mapping[Track, int], track: Track) -> int:
    return part.get(track, part.get(FORGOTTEN, NEVER))


class ModelJudge:
    """Judges the windows of one model."""

    def __init__(
        self,
        plan: ModelPlan,
        settings: Settings,
        references: ReferenceCatalog,
        config_file: str | None = None,
    ) -> None:
        """Nothing is judged yet; suggested commands name `config_file`."""
        self._plan = plan
        self._references = references
        self._watch = ModelWatch(
            plan.settings,
            settings.rules,
            retention_ms=settings.retention.history,
            config_file=config_file,
            budget=Budget(settings.alerting.budget.pages, settings.alerting.budget.tickets),
        )
        self._readiness = QualityReadiness(
            horizon_ms=plan.settings.labels.horizon,
            wait_ms=plan.settings.labels.wait,
            step_ms=plan.grid.smallest.size,
        )
        self._judged = Judged()
        self._unjudged = Unjudged()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Rules that can never fire on this model, or not yet, and why."""
        return self._watch.warnings

    def waits(self, key: WindowKey) -> bool:
        """Whether the window's quality is still to be judged."""
        return key in self._unjudged

    def turn(self, key: WindowKey) -> tuple[Span, bool, str, bool, str]:
        """The order of judging: by end, a version that others are compared with before them."""
        span, version, is_whole, segment = key.turn
        return span, version not in self._watch.baselines, version, is_whole, segment

    def _compared_with(self, key: WindowKey) -> Iterator[WindowKey]:
        """The same window of the versions that its own is compared with."""
        baselines = self._watch.baselines
        if key.version not in baselines:
            for version in baselines:
                yield replace(key, version=version)

    @property
    def is_waiting(self) -> bool:
        """Whether the quality of any window is still to be judged."""
        return bool(self._unjudged)

    def final(self, key: WindowKey, result: WindowResult, *, again: bool) -> list[Alert]:
        """Judge a window that is final; `again`: it says something new since it was judged."""
        reference = self._references.in_force(self._plan.name, key.version, key.span.start)
        if self.waits(key):
            self._unjudged.put(key, result)
        if not self._judged.has_final(key):
            self._judged.final[key.track] = key.span.end
            self._unjudged.put(key, result)
            return self._watch.judge(result, part="final", reference=reference)
        if not again:
            return []
        # A later revision can only correct what an alert said.
        alerts = self._watch.judge(result, part="final", reference=reference)
        if self._judged.has_quality(key):
            alerts += self._watch.judge(result, part="quality", reference=reference)
        return alerts

    def tick(self, until: int) -> list[Alert]:
        """All windows up to this event time are final, and were judged: is there a silence?"""
        return self._watch.tick(until)

    def quality(self, label_time: int, look: Look = lambda _, known: known) -> list[Alert]:
        """Judge the quality of windows whose labels are in, in window order.

        Of each track only the first window that waits is looked at; one whose result a restart
        forgot (`unread`) holds its track back.
        """
        step = self._plan.grid.smallest.size
        time = label_time // step * step
        alerts: list[Alert] = []
        heads = [(self.turn(key), key) for key in self._unjudged.first()]
        heapify(heads)
        while heads:
            _, key = heappop(heads)
            known = self._unjudged.result(key)
            result = None if known is None else look(key, known)
            if result is None or not self._readiness.ready(result, time):
                continue
            if any(self.waits(other) for other in self._compared_with(key)):
                continue
            following = self._judged_quality(key)
            if following is not None:
                heappush(heads, (self.turn(following), following))
            reference = self._references.in_force(self._plan.name, key.version, key.span.start)
            alerts += self._watch.judge(result, part="quality", reference=reference)
        return alerts

    def _judged_quality(self, key: WindowKey) -> WindowKey | None:
        """Take the first window of a track out; the one that is first now."""
        self._judged.quality[key.track] = key.span.end
        return self._unjudged.take(key)

    def observe_delay(self, result: WindowResult, label_time: int) -> None:
        """Learn from a result that is published how late the labels come, and how many."""
        self._readiness.observe_delay(result, label_time)

    def unread(self) -> list[WindowKey]:
        """The windows to be read again: first of their track, with a result that is not known."""
        waiting = self._unjudged
        return sorted((key for key in waiting.first() if not waiting.is_known(key)), key=turn)

    def reread(self, key: WindowKey, result: WindowResult | None) -> None:
        """The result of an unread window; None where nothing is left of it to judge."""
        if result is None:
            self._judged_quality(key)
        else:
            self._unjudged.put(key, result)

    def forget(self, closed: int) -> None:
        """Windows that end before it take nothing any more: how far they were judged may go."""
        waiting = {key.track for key in self._unjudged.first()}
        self._judged.forget(closed, waiting, MAX_TRACKS)

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            self._judged.snapshot(),
            [window_text(key) for key in self._unjudged],
            self._readiness.snapshot(),
            self._watch.snapshot(),
        ]

    def restore(self, plain: list[Any]) -> None:
        """Go on from a snapshot."""
        judged, unjudged, readiness, watch = plain
        self._judged = Judged.restore(judged)
        self._unjudged = Unjudged()
        for key in map(parse_window, unjudged):
            self._unjudged.put(key, None)
        self._readiness.restore(readiness)
        self._watch.restore(watch)


def turn(key: WindowKey) -> tuple[Span, str, bool, str]:
    """The order of judging."""
    return key.turn


def window_text(key: WindowKey) -> str:
    """The text under which a window is stored."""
    span = key.span
    return join_names(key.version, key.segment, span.text, str(span.size), str(span.end))


def parse_window(text: str) -> WindowKey:
    """What `window_text` wrote."""
    version, segment, window, size, end = split_names(text)
    return WindowKey(Span(int(end), int(size), window), version, segment)
