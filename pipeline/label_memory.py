"""The bound on kept predictions: who measures them, and tells how much of a model is kept.

Each worker that folds predictions measures what Redis holds before it keeps more: once in a while,
and whenever it has itself kept a noticeable part of a model's bound since. Whoever sees first that
a sample must change changes it for all, by compare-and-set.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from inferwatch.settings.types import size_text
from pipeline.labels.falling_sample import EVIDENCE, Bound, SampleInForce, next_sample
from pipeline.labels.kept import KeptRows
from pipeline.models import ModelPlans
from pipeline.windows.watermark import NEVER

log = logging.getLogger(__name__)

MEASURE_EVERY_S = 5.0
ROW_BYTES = 64
"""About what a kept row takes: enough to know when to measure again."""


class Taken(Protocol):
    """What Redis holds of kept predictions."""

    async def taken(self) -> Mapping[str, Mapping[int, int]]:
        """Bytes of each model, by the event time at which their buckets begin."""


class Samples(Protocol):
    """What is in force, for all workers."""

    async def read(self) -> Mapping[str, SampleInForce]:
        """By model."""

    async def change(self, model: str, before: SampleInForce | None, after: SampleInForce) -> bool:
        """Set what is in force; False where somebody else has changed it since it was read."""

    async def forget(self, models: Sequence[str]) -> None:
        """Of these models nothing is kept any more."""


class LabelMemory:
    """Keeps what is kept for labels within `labels.memory`, model by model."""

    def __init__(
        self, plans: ModelPlans, kept: Taken, samples: Samples, *, keeps_for: int, width: int
    ) -> None:
        """Measure `kept`.

        Args:
            plans: of the models.
            kept: what is measured.
            samples: where what is decided stands.
            keeps_for: milliseconds of event time from a row to its going.
            width: of one bucket of rows, milliseconds.
        """
        self._plans = plans
        self._kept = kept
        self._samples = samples
        self._keeps_for = keeps_for
        self._width = width
        self._in_force: Mapping[str, SampleInForce] = MappingProxyType({})
        self._written: Counter[str] = Counter()
        self._time = NEVER
        self._due_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    @property
    def halvings(self) -> dict[str, int]:
        """How often the sample of each model is halved, as far as is known here."""
        return {model: sample.halvings for model, sample in self._in_force.items()}

    def keep(self, kept: Iterable[KeptRows], time: int) -> None:
        """Rows are being kept; `time` is the event time that their partition has reached."""
        for rows in kept:
            self._written[rows.shape.model] += len(rows.ids) * ROW_BYTES
        self._time = max(self._time, time)

    async def look(self) -> None:
        """Measure and decide, where it is time."""
        async with self._one_at_a_time:
            if asyncio.get_running_loop().time() < self._due_at and not self._is_noticeable():
                return
            self._written.clear()
            in_force = dict(await self._samples.read())
            held = await self._kept.taken()
            await self._samples.forget(sorted(in_force.keys() - held.keys()))
            for model, taken in held.items():
                if self._time > NEVER:
                    in_force[model] = await self._decide(model, in_force.get(model), taken)
            self._in_force = in_force
            self._due_at = asyncio.get_running_loop().time() + MEASURE_EVERY_S

    def _is_noticeable(self) -> bool:
        return any(
            size * EVIDENCE >= self._bound(model).bytes for model, size in self._written.items()
        )

    def _bound(self, model: str) -> Bound:
        memory = self._plans.of(model).settings.labels.memory
        return Bound(bytes=memory, keeps_for=self._keeps_for, width=self._width)

    async def _decide(
        self, model: str, now: SampleInForce | None, taken: Mapping[int, int]
    ) -> SampleInForce:
        bound = self._bound(model)
        after = next_sample(now, taken, self._time, bound)
        if after is now or not await self._samples.change(model, now, after):
            # What another worker decided is read at the next look.
            return now or after
        before = 0 if now is None else now.halvings
        if after.halvings != before:
            told = log.warning if after.halvings > before else log.info
            told(
                "%s: kept predictions take %s of labels.memory %s; %s labels of %.4g %% of the ids "
                "are counted from now on (label_coverage is of these)",
                model,
                size_text(sum(taken.values())),
                size_text(bound.bytes),
                "only" if after.halvings > before else "again",
                100 * after.share(self._plans.of(model).settings.labels.sample),
            )
        return after
