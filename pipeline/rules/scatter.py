"""How much a stream's own windows scatter, beyond what sampling alone would make them.

Natural data moves with the hour and the weather, by far more than sampling error, and no reference
shows all of it. So detectors divide their scores by what the same score did in this stream's own
good windows. An exponential average: three numbers a score, whatever the length of the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

MEMORY = 120
"""Windows that the averages reach back."""
WARM_UP = 30
NORMAL = 1.2533
"""Standard deviation over mean absolute deviation, of normal noise."""
CLIP = 4.0
"""A window counts as no further off than so many deviations."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """Mean and mean absolute deviation of a score, over the last good windows."""

    windows: int = 0
    mean: float = 0.0
    deviation: float = 1 / NORMAL

    def after(self, score: float) -> Scatter:
        """With one good window more."""
        windows = min(self.windows + 1, MEMORY)
        part = 1 / windows if windows > 1 else 0.0
        off = max(-CLIP * self.deviation, min(CLIP * self.deviation, score - self.mean))
        deviation = self.deviation + (abs(off) - self.deviation) / max(windows, WARM_UP)
        return Scatter(windows, self.mean + off * part, deviation)

    @property
    def phi(self) -> float:
        """By how much the scores scatter more than one: 1 where chance alone would do.

        >>> noisy = Scatter()
        >>> for score in [0.0, 9.0, -7.0, 8.0, -9.0] * 20:
        ...     noisy = noisy.after(score)
        >>> Scatter().phi, noisy.phi > 3
        (1.0, True)
        """
        if self.windows < WARM_UP:
            return 1.0
        chance = 1 + 2 * sqrt(0.57 / (2 * self.windows))
        return max(1.0, NORMAL * self.deviation / chance)

    @property
    def level(self) -> float:
        """What a score that is never negative on average has in good times; 0 at least."""
        return max(0.0, self.mean) if self.windows >= WARM_UP else 0.0

    def as_plain(self) -> list[Any]:
        """For a snapshot."""
        return [self.windows, self.mean, self.deviation]
