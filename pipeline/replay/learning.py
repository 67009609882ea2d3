"""First references in a replay: learned by the worker's rules, at a row that no batch decides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inferwatch.events.kinds import Kind
from pipeline.columns import Ints, PredictionRows
from pipeline.models import ModelPlan, ModelPlans
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.reference.learning import Learning, learned_profile, learned_until
from pipeline.reference.row_sample import RowSample
from pipeline.replay.arrival import Arrived

_LATEST = np.iinfo(np.int64).max


class ReplayLearning:
    """Learns the first reference of each model that none is given for.

    A row that arrives after the reference was learned is counted against it, whatever its own
    time, as the worker counts one whose record came later.
    """

    def __init__(self, plans: ModelPlans, references: ReferenceCatalog, restate: int) -> None:
        """What is learned is added to these references; `restate` as in the config."""
        self._plans = plans
        self._references = references
        self._restate = restate
        self._learning = Learning(plans, references)

    def cut(
        self,
        batch: Arrived,
        before: Ints,
        samples: Mapping[str, RowSample],
        start: int,
        stop: int,
    ) -> int | None:
        """The first place between two where a model has been learned from for long enough.

        Args:
            batch: rows in the order of their arrival.
            before: shape (n + 1,), the highest time of all rows before each.
            samples: what is kept of the rows before `start`.
            start: the first place that counts.
            stop: the place behind the last.
        """
        size = stop - start
        firsts: dict[str, Ints] = {}
        for kind, chunk in batch.chunks:
            rows = chunk.rows
            if kind is not Kind.PREDICTION or not rows.size:
                continue
            assert isinstance(rows, PredictionRows)
            # A chunk of predictions holds one model.
            plan = self._plans.of(rows.models[int(rows.model[0])])
            if self._learning.span(plan) is None:
                continue
            at = chunk.offset - batch.first
            mine = slice(*np.searchsorted(at, [start, stop]).tolist())
            at, ts = at[mine], rows.ts[mine]
            takes = plan.grid.last_end(ts) > before[at] - plan.lateness - self._restate
            seen = firsts.setdefault(plan.name, np.full(size, _LATEST))
            np.minimum.at(seen, at[takes] - start, ts[takes])
        found = (
            self._over(self._plans.of(model), firsts.get(model), samples.get(model), before[start:])
            for model in firsts.keys() | samples.keys()
        )
        places = [start + place for place in found if place is not None and 0 < place < size]
        return min(places, default=None)

    def _over(
        self, plan: ModelPlan, times: Ints | None, known: RowSample | None, before: Ints
    ) -> int | None:
        """How many rows on the learning of a model is over; None where it goes on."""
        span = self._learning.span(plan)
        if span is None:
            return None
        first = _LATEST if known is None or known.first is None else known.first
        times = np.empty(0, np.int64) if times is None else times
        if known is not None and len(times) and known.is_stray(int(times.min()), span):
            first = _LATEST
        firsts = np.minimum.accumulate(np.concatenate(([first], times)))
        # Nothing is added to the left side: it may be the latest time that there is.
        is_over = firsts <= before[: len(firsts)] - plan.lateness - span
        return int(is_over.argmax()) if is_over.any() else None

    def learn(self, high: int, samples: dict[str, RowSample]) -> None:
        """Put the references in force that are due at the highest time seen."""
        for model, sample in list(samples.items()):
            plan = self._plans.of(model)
            span = self._learning.span(plan)
            if span is not None:
                watermark = high - plan.lateness
                until = learned_until(sample, span, watermark)
                if until is None or watermark < until:
                    continue
                self._references.add(learned_profile(model, plan.settings, sample, span))
            del samples[model]
