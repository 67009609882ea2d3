"""What decides how a model's rows are counted; the same for all panes of a model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from inferwatch.settings import ModelSettings, Settings
from inferwatch.settings.globs import fits_any
from pipeline.stats import ClassificationCounter, RegressionCounter

QualityCounter = ClassificationCounter | RegressionCounter


@dataclass(frozen=True, kw_only=True)
class CountingRules:
    """What decides how a model's rows are counted; the same for all panes of a model."""

    task: str | None
    classes: tuple[str, ...]
    positive: str | None
    max_categories: int
    categorical: frozenset[str]

    @cached_property
    def digest(self) -> str:
        """8 hex digits of all that decides a count: counts made otherwise are never added."""
        parts = (self.task, self.classes, self.positive, self.max_categories)
        text = repr((*parts, sorted(self.categorical)))
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    @property
    def named(self) -> frozenset[str]:
        """The classes that the config names."""
        return frozenset(self.classes) | ({self.positive} if self.positive is not None else set())

    def is_categorical(self, feature: str) -> bool:
        """Whether the config says that a feature is a category, whatever its values are."""
        return fits_any(feature, self.categorical)

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
