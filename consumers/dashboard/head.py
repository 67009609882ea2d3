"""The head of a series: its newest window and the short trail behind it, kept in memory.

A list of 100 models is drawn from heads alone. A head of 150 measures takes about 25 kB in memory
and 3 kB in Redis.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

import orjson

from consumers.dashboard.format import FORMAT, check_format
from consumers.dashboard.measures import QUALITY, largest_drift
from consumers.dashboard.row import Schema, Stamp
from consumers.dashboard.series import SeriesId
from inferwatch.events.json_codec import from_plain
from inferwatch.events.window import WindowResult

TRAIL = 60
"""Windows that a sparkline shows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One window of the trail; what it does not know is None."""

    start: int
    stamp: Stamp
    rows: int
    quality: float | None
    p95_ms: float | None
    error_rate: float | None
    drift: float | None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest window of a series, and the trail behind it in order of start.

    Attributes:
        values: measures of the newest window; of a segment only the few in `trail`.
        seen_at: when a result last came, wall clock in milliseconds.
        quality: which measure the trail's `quality` is.
    """

    series: SeriesId
    schema: Schema = Schema(())
    start: int = 0
    end: int = 0
    provisional: bool = False
    reference: str | None = None
    quality: str | None = None
    values: dict[str, float] = field(default_factory=dict)
    trail: tuple[Step, ...] = ()
    seen_at: int = 0

    @property
    def newest_quality(self) -> float | None:
        """Of the newest window that has labels; None when the trail has none."""
        return next((s.quality for s in reversed(self.trail) if s.quality is not None), None)

    def knows(self, start: int, stamp: Stamp) -> bool:
        """Whether this result, or one that replaces it, is in the trail already."""
        return any(s.start == start and not stamp.beats(s.stamp) for s in self.trail)

    def taking(
        self, result: WindowResult, values: dict[str, float], stamp: Stamp, now: int
    ) -> Head:
        """This head with one more result, which the trail does not know yet."""
        quality = next((name for name in QUALITY if name in values), None)
        # Labels come late, so the newest window often has no quality; the series keeps its own.
        if self.quality in QUALITY and (
            quality is None or QUALITY.index(quality) > QUALITY.index(self.quality)
        ):
            quality = self.quality
        step = Step(
            start=result.start,
            stamp=stamp,
            rows=result.rows,
            quality=values.get(quality or ""),
            p95_ms=values.get("latency.p95_ms"),
            error_rate=values.get("latency.error_rate"),
            drift=largest_drift(values),
        )
        others = [s for s in self.trail if s.start != result.start]
        trail = tuple(sorted([*others, step], key=lambda s: s.start)[-TRAIL:])
        head = replace(
            self, schema=self.schema.grown(list(values)), quality=quality, trail=trail, seen_at=now
        )
        if result.start < self.start:
            return head
        return replace(
            head,
            start=result.start,
            end=result.end,
            provisional=result.provisional,
            reference=result.reference,
            values=values if self.series.segment is None else {"rows": float(result.rows)},
        )

    def encode(self) -> bytes:
        """For storage."""
        return bytes([FORMAT]) + zlib.compress(orjson.dumps(self), 1)

    @classmethod
    def decode(cls, data: bytes) -> Head:
        """What `encode` wrote."""
        plain = orjson.loads(zlib.decompress(check_format(data, "a dashboard head")))
        return from_plain(cls, plain)
