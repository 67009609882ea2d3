"""Volume over all versions of a model: a stream that is dead, or far from its usual rows.

A canary halves the rows of the version beside it, and nothing is wrong: so what counts is the sum.
It is judged once all versions' windows of one end are in, also for windows that nobody sent a row
for: `VolumeWatch.until` is told how far the clock of the stream has come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from inferwatch.events.alert import Severity
from inferwatch.events.window import LatencyBlock, WindowResult
from inferwatch.settings.types import WindowSpec
from pipeline.rules.budget import Allowance
from pipeline.rules.detector import Case, Part, Watch
from pipeline.rules.machine import Timing
from pipeline.rules.rhythm import Rhythm, Usual
from pipeline.rules.verdict import UNKNOWN, Finding, State, Verdict, finding, judged

LOW_RATIO, HIGH_RATIO = 0.5, 3.0
DEAD_WINDOWS = 3
DEAD_MS = 120_000
"""So much silence at least, four times what makes a partition idle."""
DEAD_ROWS = 30.0
"""Rows that ought to have come in the silence; by chance none come once in 10^13."""
LONGER = 2
"""Times the longest silence that ended by itself."""
FORGOTTEN = 2_000
"""Windows of silence after which no more are looked at one by one."""


@dataclass(frozen=True, slots=True)
class VolumeDetector:
    """What stands in the alerts; the judging is `VolumeWatch`'s."""

    watch: Watch
    beside: str | None = None

    def applies(self, version: str, segment: str | None) -> bool:
        """Not to any version by itself."""
        return False

    def judge(self, case: Case) -> Verdict:
        """Nothing, of one version."""
        return UNKNOWN

    def rejudge(self, case: Case, held: tuple[Finding, ...]) -> Verdict:
        """A revision of one version says nothing of all."""
        return UNKNOWN

    def learn(self, case: Case, verdict: Verdict) -> None:
        """Nothing, of one version."""


def detectors(window: WindowSpec) -> tuple[VolumeDetector, VolumeDetector]:
    """The dead stream, which pages, and the odd volume, which makes a ticket."""
    size, slide, text = window.size, window.slide, window.text
    part: Part = "final"
    dead = Watch("dead-stream", "rows", part, Severity.PAGE, text, Timing(0, slide, size, slide))
    timing = Timing(2 * slide, 2 * slide, size, slide)
    odd = Watch("volume", "rows", part, Severity.TICKET, text, timing)
    return VolumeDetector(dead), VolumeDetector(odd)


@dataclass(slots=True)
class Tally:
    """What came in the windows of one end, of all versions.

    Attributes:
        version: the one with the most rows (or requests), `most`.
    """

    rows: int = 0
    requests: int = 0
    errors: int = 0
    version: str = ""
    most: int = -1

    def add(self, result: WindowResult) -> None:
        """One version's window."""
        latency = result.latency
        requests = 0 if latency is None else latency.count
        self.rows += result.rows
        self.requests += requests
        self.errors += 0 if latency is None else latency.errors
        if result.rows + requests > self.most:
            self.version, self.most = result.version, result.rows + requests

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        return [self.rows, self.requests, self.errors, self.version, self.most]


@dataclass(frozen=True, slots=True)
class Volume:
    """The verdicts of one end."""

    result: WindowResult
    dead: Verdict
    odd: Verdict


@dataclass(slots=True)
class VolumeWatch:
    """Adds the versions up, and judges their sum.

    Attributes:
        window: the model's smallest.
        last: end of the last window judged; None before the first.
        version: that the alerts name, the one with the most rows.
        predicts: whether predictions ever came; else requests count.
        silent: windows without any up to now; `gap`: the most that ended by itself.
    """

    model: str
    window: WindowSpec
    allowance: Allowance
    last: int | None = None
    version: str = ""
    predicts: bool = False
    silent: int = 0
    gap: int = 0
    rhythm: Rhythm = field(default_factory=Rhythm)
    tallies: dict[int, Tally] = field(default_factory=dict)

    def add(self, result: WindowResult) -> None:
        """The window of one version; those that end before it must have been judged."""
        if self.last is None:
            self.last = result.end - self.window.slide
        if result.end > self.last:
            self.tallies.setdefault(result.end, Tally()).add(result)

    def until(self, time: int, *, named: bool) -> Iterator[Volume]:
        """Judge all windows that end by then; `named`: an alert has named the version."""
        slide = self.window.slide
        while self.last is not None and self.last + slide <= time:
            if self.silent > FORGOTTEN and not self.tallies:
                self.last += (time - self.last) // slide * slide
                return
            self.last += slide
            yield self._judge(self.last, self.tallies.pop(self.last, Tally()), named=named)

    def _judge(self, end: int, tally: Tally, *, named: bool) -> Volume:
        self.predicts = self.predicts or tally.rows > 0
        rows = tally.rows if self.predicts else tally.requests
        if tally.version and not named:
            self.version = tally.version
        result = self._result(end, tally)
        usual = self.rhythm.usual(result.start)
        self.silent = 0 if rows else self.silent + 1
        dead, odd = self._dead(rows, usual), self._odd(rows, usual)
        ordinary = State.BREACHED not in (dead.state, odd.state)
        if ordinary and not rows:
            self.gap = max(self.gap, self.silent // LONGER)
        self.rhythm.take(result.start, rows, ordinary=ordinary)
        return Volume(result, dead, odd)

    def _dead(self, rows: int, usual: Usual | None) -> Verdict:
        if usual is None:
            return UNKNOWN
        found = finding("rows", rows, "<", 1.0, rows=None, baseline=round(usual.low))
        if rows:
            return judged([(found, False)])
        slide = self.window.slide
        long = self.silent >= DEAD_WINDOWS and self.silent * slide >= DEAD_MS
        missed = self.silent * usual.low >= DEAD_ROWS * usual.spread
        is_dead = long and missed and self.silent > LONGER * self.gap
        return judged([(found, True)], urgent=True) if is_dead else UNKNOWN

    def _odd(self, rows: int, usual: Usual | None) -> Verdict:
        if usual is None or not rows:
            return UNKNOWN
        far = self.allowance.far(2)
        low = min(LOW_RATIO * usual.low, usual.low - far * (usual.low * usual.spread) ** 0.5)
        high = max(HIGH_RATIO * usual.high, usual.high + far * (usual.high * usual.spread) ** 0.5)
        few = finding("rows", rows, "<", low, rows=None, baseline=round(usual.low))
        many = finding("rows", rows, ">", high, rows=None, baseline=round(usual.high))
        return judged([(few, rows < low), (many, rows > high)])

    def _result(self, end: int, tally: Tally) -> WindowResult:
        """What the alert and its causes look at: counts over all versions, and nothing else."""
        seconds = self.window.size / 1000
        latency = LatencyBlock(
            count=tally.requests,
            errors=tally.errors,
            error_rate=tally.errors / tally.requests if tally.requests else None,
            requests_per_s=tally.requests / seconds,
            mean_ms=None,
            p50_ms=None,
            p90_ms=None,
            p95_ms=None,
            p99_ms=None,
            p999_ms=None,
            max_ms=None,
        )
        return WindowResult(
            model=self.model,
            version=self.version,
            segment=None,
            window=self.window.text,
            start=end - self.window.size,
            end=end,
            revision=0,
            final=True,
            rows=tally.rows,
            late=0,
            duplicates=0,
            lost=0,
            completeness=None,
            reference=None,
            provisional=False,
            latency=latency if tally.requests else None,
        )

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        tallies = [[end, *tally.as_plain()] for end, tally in self.tallies.items()]
        state = [self.last, self.version, self.predicts, self.silent, self.gap]
        return [*state, self.rhythm.as_plain(), tallies]

    def restore(self, plain: list[Any]) -> None:
        """Go on from a snapshot."""
        self.last, self.version, self.predicts, self.silent, self.gap, rhythm, tallies = plain
        self.rhythm = Rhythm.from_plain(rhythm)
        self.tallies = {end: Tally(*tally) for end, *tally in tallies}
