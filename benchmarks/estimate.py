"""How near does the estimate without labels come to the accuracy that labels show later?

    python -m benchmarks.estimate

Three classifiers with real data: flights (is it late? trained on January 2013, the reference is the
fourth of January it did not see, then every day to December), and two data sets of scikit-learn
whose hold-out is made harder window by window by noise on the measurements (handwritten digits,
ten classes; breast cancer, two). For each window: the estimate by confidence, beside the plain
assumption that accuracy is still the reference's; both against the accuracy by labels. Told are the
mean and the 95th percentile of the absolute error, how often the 95 % interval held the accuracy by
labels, and how many windows were switched off, with the reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inferwatch.demo.flights import flights_of
from inferwatch.demo.flights import matrix as flight_matrix
from inferwatch.demo.model import DelayModel, train_split
from inferwatch.events.reference import ReferenceProfile
from pipeline.columns import Column
from pipeline.estimate.accuracy import estimated_accuracy
from pipeline.estimate.confidence import ConfidenceCounter, Confidences
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.stats import ClassificationCounter

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a classifier said of labelled rows."""

    classes: tuple[str, ...]
    scores: Matrix
    actual: NDArray[Any]

    @property
    def predicted(self) -> NDArray[Any]:
        """The likeliest class of each row."""
        names: NDArray[Any] = np.array(self.classes, object)
        predicted: NDArray[Any] = names[self.scores.argmax(axis=1)]
        return predicted

    def columns(self) -> dict[str, Column]:
        """As a table of reference data."""
        scores = {
            f"scores.{name}": Column(len(self.actual), numbers=self.scores[:, n])
            for n, name in enumerate(self.classes)
        }
        return {"prediction": self.text(self.predicted), "label": self.text(self.actual), **scores}

    def text(self, values: NDArray[Any]) -> Column:
        """Classes as a text column."""
        code = {name: n for n, name in enumerate(self.classes)}
        codes = np.array([code[value] for value in values.tolist()], np.int32)
        return Column(len(values), codes=codes, texts=self.classes)


@dataclass(slots=True)
class Tally:
    """Errors of all windows of one data set."""

    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    held: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def take(self, reference: ReferenceProfile, window: Answers) -> None:
        """Estimate a window, then look at its labels."""
        scores = {name: window.scores[:, n] for n, name in enumerate(window.classes)}
        counter = ConfidenceCounter()
        counter.update(Confidences.of(window.text(window.predicted), scores, None))
        labels = ClassificationCounter((), None)
        predicted, actual = window.text(window.predicted), window.text(window.actual)
        labels.update(actual, predicted, {}, np.zeros(len(window.actual)))
        quality = labels.result(len(window.actual))
        assert quality is not None and quality.accuracy is not None
        before = estimated_accuracy(counter, reference.calibration, None)
        after = estimated_accuracy(counter, reference.calibration, quality)
        assert before is not None and after is not None
        if before.accuracy is None or before.low is None or before.high is None:
            self.reasons[f"before labels: {before.reason}"] += 1
            return
        if after.reason:
            self.reasons["after labels: " + after.reason.partition(":")[0]] += 1
        self.ours.append(abs(before.accuracy - quality.accuracy))
        self.plain.append(abs(reference.performance["accuracy"] - quality.accuracy))
        self.held += before.low <= quality.accuracy <= before.high

    def tell(self, name: str) -> None:
        """Print the figures."""
        ours, plain = np.array(self.ours), np.array(self.plain)
        print(f"{name}: {len(ours)} windows")
        for what, errors in (("estimate by confidence", ours), ("the reference's accuracy", plain)):
            print(f"  {what}: off by {errors.mean():.4f}, p95 {np.quantile(errors, 0.95):.4f}")
        print(f"  the 95 % interval held the accuracy by labels in {self.held / len(ours):.0%}")
        for reason, count in self.reasons.items():
            print(f"  switched off in {count} windows {reason}")


def flights() -> tuple[ReferenceProfile, Iterator[Answers]]:
    """Every day from February to December."""
    training, validation = train_split(flights_of(1))
    model = DelayModel(training)
    classes = ("late", "on_time")

    def answers(rows: Any) -> Answers:
        labels = np.array([flight.label for flight in rows], object)
        return Answers(classes, model.probabilities(flight_matrix(rows)), labels)

    def days() -> Iterator[Answers]:
        for month in range(2, 13):
            by_day: dict[str, list[Any]] = {}
            for flight in flights_of(month):
                by_day.setdefault(flight.id.split("-")[3], []).append(flight)
            yield from (answers(rows) for rows in by_day.values())

    return profile_of(answers(validation).columns(), BuildSpec()), days()


def noisy(data: Any, model: Any) -> tuple[ReferenceProfile, Iterator[Answers]]:
    """A third trains, a third is the reference; the rest comes again and again, ever noisier."""
    rng = np.random.default_rng(11)
    order = rng.permutation(len(data.target))
    rows, target = (
        data.data[order].astype(np.float64),
        data.target[order].astype(str).astype(object),
    )
    third = len(rows) // 3
    model.fit(rows[:third], target[:third])
    classes = tuple(str(name) for name in model.classes_)
    spread = rows[:third].std(axis=0)

    def answers(features: Matrix, labels: NDArray[Any]) -> Answers:
        return Answers(classes, model.predict_proba(features), labels)

    def windows() -> Iterator[Answers]:
        for noise in np.repeat(np.linspace(0, 1.0, 21), 5):
            features = rows[2 * third :]
            changed = features + rng.normal(size=features.shape) * spread * noise
            yield answers(changed, target[2 * third :])

    known = slice(third, 2 * third)
    return profile_of(answers(rows[known], target[known]).columns(), BuildSpec()), windows()


def main() -> None:
    """Estimate everything, print the figures."""
    forest = RandomForestClassifier(200, random_state=3)
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    for name, (reference, windows) in (
        ("flights of 2013, day by day", flights()),
        ("handwritten digits with noise", noisy(load_digits(), forest)),
        ("breast cancer with noise", noisy(load_breast_cancer(), logistic)),
    ):
        tally = Tally()
        for window in windows:
            tally.take(reference, window)
        tally.tell(name)


if __name__ == "__main__":
    main()
