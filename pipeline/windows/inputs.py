"""Counts of features, prediction and scores, against one reference or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inferwatch.events.fields.objects import POSITIVE
from inferwatch.events.reference import ColumnReference, ReferenceProfile
from inferwatch.events.window import FeatureBlock
from pipeline.columns import Column
from pipeline.scores import scores_by_name
from pipeline.stats import ColumnCounter, Kind
from pipeline.windows.counting import CountingRules


@dataclass(slots=True)
class InputCounts:
    """Counts of features, prediction and scores against one reference (or none).

    Attributes:
        rules: how the model's rows are counted.
        rows: the rows counted here; a column that some of them never named lacks the rest.
    """

    reference: ReferenceProfile | None
    rules: CountingRules
    rows: int = 0
    features: dict[str, ColumnCounter] = field(default_factory=dict)
    prediction: ColumnCounter | None = None
    scores: dict[str, ColumnCounter] = field(default_factory=dict)

    def update(
        self, features: Mapping[str, Column], prediction: Column, scores: Mapping[str, Column]
    ) -> None:
        """Count rows. A column that none of them names stays out, however they were batched."""
        self.rows += prediction.size
        for name, column in features.items():
            if not column.is_named:
                continue
            if name not in self.features:
                self.features[name] = ColumnCounter(*self._feature_arguments(name))
            self.features[name].update(column)
        if self.prediction is None:
            self.prediction = ColumnCounter(*self._prediction_arguments())
        self.prediction.update(prediction)
        for name, column in scores_by_name(scores, self.rules.positive).items():
            if not column.is_named:
                continue
            if name not in self.scores:
                self.scores[name] = ColumnCounter(*self._score_arguments(name))
            self.scores[name].update(column)

    def merge(self, other: InputCounts) -> None:
        """Add the counts of another pane; columns that only one of them has are kept."""
        self.rows += other.rows
        for name, counter in other.features.items():
            if name not in self.features:
                self.features[name] = ColumnCounter(*self._feature_arguments(name))
            self.features[name].merge(counter)
        for name, counter in other.scores.items():
            if name not in self.scores:
                self.scores[name] = ColumnCounter(*self._score_arguments(name))
            self.scores[name].merge(counter)
        if other.prediction is not None:
            if self.prediction is None:
                self.prediction = ColumnCounter(*self._prediction_arguments())
            self.prediction.merge(other.prediction)

    def feature_blocks(self) -> dict[str, FeatureBlock]:
        """The block of each feature that a row or the reference names."""
        unseen = set(self.reference.features if self.reference else ()) - self.features.keys()
        counters = self.features | {
            name: ColumnCounter(*self._feature_arguments(name)) for name in unseen
        }
        return self._blocks(counters)

    def prediction_block(self) -> FeatureBlock | None:
        """The block of the model's output."""
        if self.prediction is None:
            return None
        return self.prediction.result(as_output=True, rows=self.rows)

    def score_blocks(self) -> dict[str, FeatureBlock]:
        """The block of each class's score."""
        return self._blocks(self.scores)

    def _blocks(self, counters: Mapping[str, ColumnCounter]) -> dict[str, FeatureBlock]:
        blocks = ((name, counters[name].result(rows=self.rows)) for name in sorted(counters))
        return {name: block for name, block in blocks if block is not None}

    def _feature_arguments(self, name: str) -> tuple[Kind | None, ColumnReference | None, int]:
        kind: Kind | None = "categorical" if self.rules.is_categorical(name) else None
        known = self.reference.features.get(name) if self.reference else None
        return kind, known, self.rules.max_categories

    def _score_arguments(self, name: str) -> tuple[Kind, ColumnReference | None, int]:
        known = _score_reference(self.reference, self.rules, name)
        return "numeric", known, self.rules.max_categories

    def _prediction_arguments(self) -> tuple[Kind, ColumnReference | None, int, frozenset[str]]:
        known = self.reference.prediction if self.reference else None
        if self.rules.is_regression:
            return "numeric", known, self.rules.max_categories, frozenset()
        return "categorical", known, self.rules.max_categories, self.rules.named

    def narrow(self) -> None:
        """Take less memory; it must only be read from now on."""
        for column in self._columns():
            column.narrow()

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return sum(column.nbytes for column in self._columns())

    def _columns(self) -> list[ColumnCounter]:
        columns = [*self.features.values(), *self.scores.values()]
        return columns if self.prediction is None else [*columns, self.prediction]

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            self.rows,
            {name: counter.snapshot() for name, counter in self.features.items()},
            None if self.prediction is None else self.prediction.snapshot(),
            {name: counter.snapshot() for name, counter in self.scores.items()},
        ]

    @classmethod
    def restore(
        cls, plain: list[Any], reference: ReferenceProfile | None, rules: CountingRules
    ) -> InputCounts:
        """What `snapshot` gave, counted against the same reference by the same rules."""
        rows, features, prediction, scores = plain
        counts = cls(reference, rules, rows)
        restore = ColumnCounter.restore
        columns = reference.features if reference else {}
        counts.features = {name: restore(c, columns.get(name)) for name, c in features.items()}
        counts.scores = {
            name: restore(c, _score_reference(reference, rules, name)) for name, c in scores.items()
        }
        if prediction is not None:
            known = reference.prediction if reference else None
            counts.prediction = restore(prediction, known)
        return counts


def _score_reference(
    reference: ReferenceProfile | None, rules: CountingRules, name: str
) -> ColumnReference | None:
    """A class's column; a reference built without the config has the positive one under ""."""
    if reference is None:
        return None
    bare = reference.scores.get(POSITIVE) if name == rules.positive else None
    return reference.scores.get(name, bare)
