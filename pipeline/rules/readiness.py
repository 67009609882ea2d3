"""When is a window's quality judged: once its labels are in, as far as they usually come.

A window is ready as soon as its label coverage has reached what this model's windows usually
reach, or when the wait is over: `labels.wait`, and where that is `auto` the 95th percentile of
the model's label delay, at most the label horizon. Time is the labels' own, in whole steps of the
smallest window, so that a replay asks at the same moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, log
from statistics import median
from typing import Any

from inferwatch.errors import StateFormatError
from inferwatch.events.window import WindowResult

FORMAT = 1
GROWTH = 1.05
"""Delays are counted in buckets that grow by 5 %, so the percentile is within 5 %."""
MIN_DELAYS = 50
USUAL_OF = 32
"""Windows whose coverage makes the usual one."""
MIN_USUAL = 3
NEARLY = 0.99
"""The share of the usual coverage that counts as reached."""


@dataclass(slots=True)
class QualityReadiness:
    """What one model's labels have taught so far.

    Attributes:
        wait_ms: `labels.wait`; None learns it.
        horizon_ms: nothing waits longer.
        step_ms: size of the model's smallest window.

    >>> ready = QualityReadiness(wait_ms=None, horizon_ms=3_600_000, step_ms=60_000)
    >>> for at in range(100):
    ...     ready.observe_delay(30_000, label_time_ms=at * 1_000)
    >>> round(ready.wait() / 1000)
    31
    """

    wait_ms: int | None
    horizon_ms: int
    step_ms: int
    _delays: dict[int, int] = field(default_factory=dict)
    _first_prediction: int | None = None
    _last_label: int = 0
    _coverages: list[float] = field(default_factory=list)

    def observe_delay(self, delay_ms: float, *, label_time_ms: int, count: int = 1) -> None:
        """Take the delay (label's ts less its prediction's) of labels that found their rows."""
        delay = max(1.0, delay_ms)
        bucket = ceil(log(delay) / log(GROWTH))
        self._delays[bucket] = self._delays.get(bucket, 0) + count
        self._last_label = max(self._last_label, label_time_ms)
        predicted = label_time_ms - int(delay_ms)
        if self._first_prediction is None or predicted < self._first_prediction:
            self._first_prediction = predicted

    def observe_coverage(self, coverage: float | None) -> None:
        """Take the coverage that a window reached in the end (its last revision)."""
        if coverage is not None:
            self._coverages = [*self._coverages, coverage][-USUAL_OF:]

    def ready(self, result: WindowResult, label_time_ms: int) -> bool:
        """Whether the window's quality is judged now, given labels up to `label_time_ms`.

        Ask in window order, and no more once it was true: a wait that ran out teaches the
        coverage that it ended with.
        """
        now = label_time_ms - label_time_ms % self.step_ms
        if now < result.end:
            return False
        coverage = None if result.quality is None else result.quality.label_coverage
        if coverage is not None and self._is_usual(coverage):
            return True
        if now - result.end < self.wait():
            return False
        self.observe_coverage(coverage)
        return True

    def wait(self) -> int:
        """How long a window waits at most, in milliseconds."""
        if self.wait_ms is not None:
            return min(self.wait_ms, self.horizon_ms)
        learned = self._delay_p95()
        return self.horizon_ms if learned is None else min(learned, self.horizon_ms)

    def _is_usual(self, coverage: float) -> bool:
        if coverage >= 1.0:
            return True
        known = self._coverages
        return len(known) >= MIN_USUAL and 0 < NEARLY * median(known) <= coverage

    def _delay_p95(self) -> int | None:
        total = sum(self._delays.values())
        if total < MIN_DELAYS or self._first_prediction is None:
            return None
        left = ceil(0.95 * total)
        p95 = self.horizon_ms
        for bucket in sorted(self._delays):
            left -= self._delays[bucket]
            if left <= 0:
                p95 = ceil(GROWTH**bucket)
                break
        # At the beginning only the quick labels are known. Twice the percentile must have passed
        # since the first prediction, else the slow ones had no time to show.
        return p95 if self._last_label - self._first_prediction >= 2 * p95 else None

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, in plain values; the format number comes first."""
        return {
            "format": FORMAT,
            "delays": [[bucket, count] for bucket, count in sorted(self._delays.items())],
            "first_prediction": self._first_prediction,
            "last_label": self._last_label,
            "coverages": list(self._coverages),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot.

        Raises:
            StateFormatError: a newer version of inferwatch wrote it.
        """
        if state["format"] > FORMAT:
            raise StateFormatError(
                f"the stored label delays have format {state['format']}, this version reads up "
                f"to {FORMAT}: run the newer version"
            )
        self._delays = dict(state["delays"])
        self._first_prediction = state["first_prediction"]
        self._last_label = state["last_label"]
        self._coverages = list(state["coverages"])
