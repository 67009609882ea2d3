"""The first reference of a model that nobody gave one: learned from its first rows.

The worker and the replay learn by the same rules: the rows of the first `reference.learn` of event
time, once the model's watermark has passed their end. The reference is `provisional`, and holds
like any other first one: for the rows that come after it.
"""

from __future__ import annotations

from inferwatch.events.reference import ReferenceProfile
from inferwatch.settings import ModelSettings
from pipeline.columns import Ints, PredictionRows
from pipeline.models import ModelPlan, ModelPlans
from pipeline.reference.build_spec import spec_of
from pipeline.reference.builder import build
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.reference.row_sample import EVERY_PART, RowSample
from pipeline.windows.name_limit import OTHER

Part = tuple[str, int]
"""A model, and the number of a part of its sample."""


class Learning:
    """Keeps the first rows of models that have no reference."""

    def __init__(self, plans: ModelPlans, references: ReferenceCatalog) -> None:
        """Learn by these plans, as long as none of these references serves a model."""
        self._plans = plans
        self._references = references

    def span(self, plan: ModelPlan) -> int | None:
        """Milliseconds of event time that a model's first reference is learned from now.

        None where none is: the config says `off`, a reference serves the model already, or it is
        no model but what is told of those beyond the limit.
        """
        if plan.name == OTHER or self._references.serves(plan.name):
            return None
        return plan.settings.reference.learn

    def take(
        self, samples: dict[str, RowSample], plan: ModelPlan, rows: PredictionRows, at: Ints
    ) -> set[Part]:
        """Take predictions of a model into its sample; the parts of it that changed.

        A partition learns of `limits.models` models at once, those that came first: a model that
        the config does not name waits for a place.
        """
        span = self.span(plan)
        if span is None or not len(at):
            return set()
        is_expected = plan.name in samples or self._plans.is_named(plan.name)
        if not is_expected and len(samples) >= self._plans.most:
            return set()
        columns = {f"features.{n}": c for n, c in rows.features.items() if plan.watches(n)}
        columns["prediction"] = rows.prediction
        columns |= {f"scores.{n}" if n else "scores": c for n, c in rows.scores.items()}
        if len(at) < rows.size:
            columns = {name: column.take(at) for name, column in columns.items()}
        sample = samples.setdefault(plan.name, RowSample())
        return {(plan.name, part) for part in sample.update(rows.ts[at], columns, span)}

    def forget(self, samples: dict[str, RowSample]) -> set[Part]:
        """Let the samples go that nothing is learned from any more; the parts that they had."""
        gone = [model for model in samples if self.span(self._plans.of(model)) is None]
        for model in gone:
            del samples[model]
        return {(model, part) for model in gone for part in EVERY_PART}


def learned_until(sample: RowSample, learn: int, watermark: int) -> int | None:
    """The event time at which the model has been learned from for long enough.

    None without rows, and where the few that there are were no beginning.

    >>> learned_until(RowSample(), 60_000, 0) is None
    True
    """
    if sample.first is None or sample.is_stray(watermark, learn):
        return None
    return sample.first + learn


def learned_profile(
    model: str, settings: ModelSettings, sample: RowSample, learn: int
) -> ReferenceProfile:
    """The provisional reference of a model, which serves all its versions."""
    until = 0 if sample.first is None else sample.first + learn
    spec = spec_of(model, settings, created_at=until, provisional=True)
    table = sample.table(learn)
    return build(lambda: [table], spec)
