"""What decides how a model's rows are counted; the same for all panes of a model."""

from __future__ import annotations

from dataclasses import dataclass

from inferwatch.settings import ModelSettings, Settings
from pipeline.stats import ClassificationCounter, RegressionCounter

QualityCounter = ClassificationCounter | RegressionCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingRules:
    """What decides how a model's rows are counted; the same for all panes of a model."""

    task: str | None
    classes: tuple[str, ...]
    positive: str | None
    max_categories: int
    categorical: frozenset[str]

    @property
    def is_regression(self) -> bool:
        """Whether predictions are values, not classes."""
        return self.task == "regression"

    def quality(self) -> QualityCounter:
        """An empty counter of the model's quality."""
        if self.is_regression:
            return RegressionCounter()
        return ClassificationCounter(self.classes, self.positive)


def rules_of(model: ModelSettings, settings: Settings) -> CountingRules:
    """The counting rules of a model."""
    return CountingRules(
        task=model.task,
        classes=model.classes,
        positive=model.positive,
        max_categories=settings.limits.categories,
        categorical=frozenset(model.features.categorical),
    )
