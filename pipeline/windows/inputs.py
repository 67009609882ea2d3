"""Counts of features, prediction and scores, against one reference or none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import FeatureBlock
from pipeline.columns import Column
from pipeline.stats import ColumnCounter
from pipeline.windows.counting import CountingRules


@dataclass(slots=True)
class InputCounts:
    """Counts of features, prediction and scores against one reference (or none).

    Attributes:
        rows: the rows counted here; a column that some of them never named lacks the rest.
    """

    reference: ReferenceProfile | None
    rows: int = 0
    features: dict[str, ColumnCounter] = field(default_factory=dict)
    prediction: ColumnCounter | None = None
    scores: dict[str, ColumnCounter] = field(default_factory=dict)

    def update(
        self,
        features: dict[str, Column],
        prediction: Column,
        scores: dict[str, Column],
        rules: CountingRules,
    ) -> None:
        """Count rows."""
        self.rows += prediction.size
        for name, column in features.items():
            self._feature(name, rules).update(column)
        if self.prediction is None:
            self.prediction = self._prediction(rules)
        self.prediction.update(prediction)
        for name, column in scores.items():
            if name not in self.scores:
                known = self.reference.scores.get(name) if self.reference else None
                self.scores[name] = ColumnCounter("numeric", known, rules.max_categories)
            self.scores[name].update(column)

    def merge(self, other: InputCounts) -> None:
        """Add the counts of another pane; columns that only one of them has are kept."""
        self.rows += other.rows
        for name, counter in other.features.items():
            _merge_into(self.features, name, counter)
        for name, counter in other.scores.items():
            _merge_into(self.scores, name, counter)
        if other.prediction is not None:
            if self.prediction is None:
                self.prediction = _copy(other.prediction)
            else:
                self.prediction.merge(other.prediction)

    def feature_blocks(self, rules: CountingRules) -> dict[str, FeatureBlock]:
        """The block of each feature that a row or the reference names."""
        for name in self.reference.features if self.reference else ():
            self._feature(name, rules)
        return {
            name: _with_missing(block, self.rows)
            for name, counter in sorted(self.features.items())
            if (block := counter.result()) is not None
        }

    def prediction_block(self) -> FeatureBlock | None:
        """The block of the model's output."""
        if self.prediction is None:
            return None
        block = self.prediction.result(as_output=True)
        return None if block is None else _with_missing(block, self.rows)

    def score_blocks(self) -> dict[str, FeatureBlock]:
        """The block of each class's score."""
        return {
            name: _with_missing(block, self.rows)
            for name, counter in sorted(self.scores.items())
            if (block := counter.result()) is not None
        }

    def _feature(self, name: str, rules: CountingRules) -> ColumnCounter:
        if name not in self.features:
            known = self.reference.features.get(name) if self.reference else None
            kind = "categorical" if name in rules.categorical else known.type if known else None
            if known is not None and known.type != kind:
                known = None
            self.features[name] = ColumnCounter(kind, known, rules.max_categories)  # type: ignore[arg-type]
        return self.features[name]

    def _prediction(self, rules: CountingRules) -> ColumnCounter:
        kind = "numeric" if rules.task == "regression" else "categorical"
        known = self.reference.prediction if self.reference else None
        if known is not None and known.type != kind:
            known = None
        keep = frozenset(rules.classes) | ({rules.positive} if rules.positive else set())
        return ColumnCounter(kind, known, rules.max_categories, keep)  # type: ignore[arg-type]

    def snapshot(self) -> list[Any]:
        """Plain values, for storage."""
        return [
            self.rows,
            {name: counter.snapshot() for name, counter in self.features.items()},
            None if self.prediction is None else self.prediction.snapshot(),
            {name: counter.snapshot() for name, counter in self.scores.items()},
        ]

    @classmethod
    def restore(cls, plain: list[Any], reference: ReferenceProfile | None) -> InputCounts:
        """What `snapshot` gave, counted against the same reference."""
        rows, features, prediction, scores = plain
        known = reference.features if reference else {}
        known_scores = reference.scores if reference else {}
        return cls(
            reference,
            rows,
            {n: ColumnCounter.restore(c, known.get(n)) for n, c in features.items()},
            None
            if prediction is None
            else ColumnCounter.restore(prediction, reference.prediction if reference else None),
            {n: ColumnCounter.restore(c, known_scores.get(n)) for n, c in scores.items()},
        )


def _merge_into(counters: dict[str, ColumnCounter], name: str, counter: ColumnCounter) -> None:
    if name in counters:
        counters[name].merge(counter)
    else:
        counters[name] = _copy(counter)


def _copy(counter: ColumnCounter) -> ColumnCounter:
    return ColumnCounter.restore(counter.snapshot(), counter.reference)


def _with_missing(block: FeatureBlock, rows: int) -> FeatureBlock:
    """Rows that never named the column lack it: the books of every block add up to `rows`."""
    return replace(block, missing=rows - block.count - block.non_finite - block.type_mismatch)
