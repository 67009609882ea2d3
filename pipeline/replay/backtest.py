"""A whole replay: files in, results and numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from inferwatch.events.alert import Alert
from inferwatch.events.kinds import Kind
from inferwatch.events.window import WindowResult
from inferwatch.settings import Settings
from pipeline.replay.arrival import in_order
from pipeline.replay.known import BadTime, episodes_of, score
from pipeline.replay.label_feed import LabelFeed
from pipeline.replay.references import catalog_of
from pipeline.replay.run import Replay
from pipeline.replay.source import Source
from pipeline.replay.summary import Summary
from pipeline.replay.windows_out import WindowsOut

Progress = Callable[[int], None]
"""Told how many bytes more have been read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The files of a replay.

    Attributes:
        by_time: take rows by `ts`, not in the order of the file.
    """

    predictions: Sequence[Path]
    latencies: Sequence[Path] = ()
    resources: Sequence[Path] = ()
    labels: Sequence[Path] = ()
    references: Sequence[Path] = ()
    by_time: bool = False

    @property
    def size(self) -> int:
        """Bytes of all events."""
        files = (*self.predictions, *self.latencies, *self.resources, *self.labels)
        return sum(file.stat().st_size for file in files if file.is_file())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay gave."""

    summary: Summary
    alerts: Sequence[Alert]
    warnings: Sequence[str]


def backtest(
    settings: Settings,
    inputs: Inputs,
    *,
    now_ms: int,
    windows: BinaryIO | None = None,
    revisions: bool = False,
    bad_times: Sequence[BadTime] | None = None,
    see: Callable[[WindowResult], None] = lambda result: None,
    progress: Progress = lambda read: None,
) -> Outcome:
    """Replay files.

    Args:
        settings: as the worker's.
        inputs: the files.
        now_ms: the clock: rows beyond it by more than `limits.future` are in the future.
        windows: where window results are written.
        revisions: write every revision, not the last one alone.
        bad_times: hold the incidents against these.
        see: sees every result and revision as it is made.
        progress: told of each stretch read.

    Raises:
        UsageError: a file cannot be read.
    """
    out = WindowsOut(windows, revisions=revisions)
    labels = None
    if inputs.labels:
        files = _sources(settings, inputs, Kind.LABEL, inputs.labels, now_ms)
        labels = LabelFeed(source.parts(_steps(progress)) for source in files)
    seen = _Seen(out, see)
    replay = Replay(settings, catalog_of(inputs.references, settings), seen.take, labels, out.write)
    events = (
        (Kind.PREDICTION, inputs.predictions),
        (Kind.LATENCY, inputs.latencies),
        (Kind.RESOURCE, inputs.resources),
    )
    replay.run(
        in_order(
            (kind, source.parts(_steps(progress)))
            for kind, paths in events
            for source in _sources(settings, inputs, kind, paths, now_ms)
        )
    )
    alerts = replay.alerts
    episodes = episodes_of(alerts)
    totals = replay.predictions.totals
    summary = Summary(
        rows=totals.rows,
        windows=out.windows,
        deadletter=replay.rejected,
        too_late=totals.too_late,
        duplicates=totals.duplicates,
        lost=totals.lost,
        episodes=episodes,
        models=sorted(seen.models),
        span_ms=seen.span_ms,
        score=None if bad_times is None else score(bad_times, episodes),
    )
    return Outcome(summary=summary, alerts=alerts, warnings=replay.warnings)


class _Seen:
    """Passes results on, and remembers what they were about."""

    def __init__(self, out: WindowsOut, see: Callable[[WindowResult], None]) -> None:
        self.models: set[str] = set()
        self._out = out
        self._see = see
        self._first: int | None = None
        self._last = 0

    @property
    def span_ms(self) -> int:
        return 0 if self._first is None else self._last - self._first

    def take(self, result: WindowResult) -> None:
        self.models.add(result.model)
        self._first = result.start if self._first is None else min(self._first, result.start)
        self._last = max(self._last, result.end)
        self._out.put(result)
        self._see(result)


def _sources(
    settings: Settings, inputs: Inputs, kind: Kind, paths: Sequence[Path], now_ms: int
) -> list[Source]:
    return [
        Source(
            kind=kind,
            path=path,
            limits=settings.limits,
            now_ms=now_ms,
            by_time=inputs.by_time,
            with_ids=bool(inputs.labels),
            is_regression=lambda model: settings.for_model(model).task == "regression",
        )
        for path in paths
    ]


def _steps(progress: Progress) -> Callable[[int], None]:
    """Turns how far one file is into how much more was read."""
    read = 0

    def told(position: int) -> None:
        nonlocal read
        progress(position - read)
        read = position

    return told
