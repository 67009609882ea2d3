"""When is a window's quality judged: once its labels are in, as far as they usually come.

A window is ready as soon as its label coverage has reached what this model's windows usually
reach, or when the wait is over: `labels.wait`, and where that is `auto` the 95th percentile of
the model's label delay, at most the label horizon. Time is the labels' own, in whole steps of the
smallest window, so that a replay asks at the same moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from inferwatch.errors import StateFormatError
from inferwatch.events.window import WindowResult

FORMAT = 1
MIN_LABELS = 20
"""Labels, of all windows that tell, before their delay is believed."""
MATURE = 2
"""A window tells the delay of its labels once it is twice as old as their 95th percentile: before
that only the quick ones are known, and each wait would be shorter than the one before."""
REMEMBERED = 64
MIN_MATURE = 3
NEARLY = 0.99
"""The share of the usual coverage that counts as reached."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a window's labels showed at some age.

    Attributes:
        age: label time less the window's end.
        delay: 95th percentile of the label delay, None without labels.
        labelled: how many labels it is of.
    """

    age: int
    delay: float | None
    coverage: float
    labelled: int


@dataclass(slots=True)
class QualityReadiness:
    """What one model's labels have taught so far.

    Attributes:
        wait_ms: `labels.wait`; None learns it.
        horizon_ms: nothing waits longer.
        step_ms: size of the model's smallest window.
    """

    wait_ms: int | None
    horizon_ms: int
    step_ms: int
    _seen: dict[tuple[str, str, int], Seen] = field(default_factory=dict)

    def observe_delay(self, result: WindowResult, label_time_ms: int) -> None:
        """Learn from a window as its labels stand now; the later view of a window replaces it.

        `ready` does so for the window that it is asked about. Call it for every result that is
        published: the revisions of windows that were judged show how late the last labels come,
        and how many come in all.
        """
        quality = result.quality
        if result.segment is not None or quality is None or quality.label_coverage is None:
            return
        key = (result.version, result.window, result.end)
        self._seen.pop(key, None)
        self._seen[key] = Seen(
            max(0, label_time_ms - result.end),
            quality.label_delay_p95_ms,
            quality.label_coverage,
            quality.labelled,
        )
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def ready(self, result: WindowResult, label_time_ms: int) -> bool:
        """Whether the window's quality is judged now, given labels up to `label_time_ms`.

        Ask in window order, and no more once it was true.
        """
        now = label_time_ms - label_time_ms % self.step_ms
        if now < result.end:
            return False
        self.observe_delay(result, now)
        coverage = None if result.quality is None else result.quality.label_coverage
        if coverage is not None and self._is_usual(coverage):
            return True
        return now - result.end >= self.wait()

    def wait(self) -> int:
        """How long a window waits at most, in milliseconds."""
        if self.wait_ms is not None:
            return min(self.wait_ms, self.horizon_ms)
        learned = self._usual_delay()
        return self.horizon_ms if learned is None else min(round(learned), self.horizon_ms)

    def _usual_delay(self) -> float | None:
        """The median of the windows' delays, each with the weight of its labels."""
        delays = sorted((s.delay, s.labelled) for s in self._mature() if s.delay is not None)
        labels = sum(labelled for _, labelled in delays)
        if labels < MIN_LABELS:
            return None
        passed = 0
        for delay, labelled in delays:
            passed += labelled
            if 2 * passed >= labels:
                return delay
        return None

    def _is_usual(self, coverage: float) -> bool:
        if coverage >= 1.0:
            return True
        known = [seen.coverage for seen in self._mature()]
        return len(known) >= MIN_MATURE and 0 < NEARLY * median(known) <= coverage

    def _mature(self) -> list[Seen]:
        return [seen for seen in self._seen.values() if self._is_mature(seen)]

    def _is_mature(self, seen: Seen) -> bool:
        if seen.age >= self.horizon_ms:
            return True
        if self.wait_ms is not None:
            return seen.age >= self.wait_ms
        return seen.delay is not None and seen.age >= MATURE * seen.delay

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, in plain values; the format number comes first."""
        seen = [[*key, s.age, s.delay, s.coverage, s.labelled] for key, s in self._seen.items()]
        return {"format": FORMAT, "seen": seen}

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
        self._seen = {
            (version, window, end): Seen(*seen) for version, window, end, *seen in state["seen"]
        }
