"""First references in a replay: learned by the worker's rules, at a row that no batch decides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inferwatch.events.kinds import Kind
from pipeline.columns import EventRows, Ints
from pipeline.models import ModelPlans
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

    def cuts(self, batch: Arrived, before: Ints, samples: dict[str, RowSample]) -> Iterator[int]:
        """Where the rows of a batch end that a model learns from.

        Args:
            batch: rows in the order of their arrival.
            before: shape (n + 1,), the highest time of all rows before each.
            samples: what is kept of the rows before the batch.
        """
        firsts: dict[str, Ints] = {}
        for kind, chunk in batch.chunks:
            rows = chunk.rows
            if kind is not Kind.PREDICTION or not rows.size:
                continue
            assert isinstance(rows, EventRows)
            for code in np.unique(rows.model).tolist():
                plan = self._plans.of(rows.models[code])
                if self._learning.span(plan) is None:
                    continue
                mine = np.flatnonzero(rows.model == code)
                at, ts = chunk.offset[mine] - batch.first, rows.ts[mine]
                takes = plan.grid.last_end(ts) > before[at] - plan.lateness - self._restate
                seen = firsts.setdefault(plan.name, np.full(batch.size + 1, _LATEST))
                np.minimum.at(seen, at[takes] + 1, ts[takes])
        for model in firsts.keys() | samples.keys():
            plan = self._plans.of(model)
            span = self._learning.span(plan)
            if span is None:
                continue
            seen = firsts.get(model, np.full(batch.size + 1, _LATEST))
            known = samples.get(model)
            if known is not None and known.first is not None:
                seen[0] = known.first
            # Nothing is added to the left side: it may be the latest time that there is.
            is_over = np.minimum.accumulate(seen) <= before - plan.lateness - span
            if is_over.any():
                yield int(is_over.argmax())

    def learn(self, high: int, samples: dict[str, RowSample]) -> None:
        """Put the references in force that are due at the highest time seen."""
        for model, sample in list(samples.items()):
            plan = self._plans.of(model)
            span = self._learning.span(plan)
            if span is not None:
                until = learned_until(sample, span)
                if until is None or high - plan.lateness < until:
                    continue
                self._references.add(learned_profile(model, plan.settings, sample, span))
            del samples[model]
