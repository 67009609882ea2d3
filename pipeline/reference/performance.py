"""How good the model was on the reference's labelled rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.reference import ClassCalibration
from pipeline.columns import Mask
from pipeline.decode.column_values import as_texts
from pipeline.reference.calibration import Calibrator
from pipeline.reference.roles import Roles, rows_that_say
from pipeline.stats import ClassificationCounter, RegressionCounter

Floats = NDArray[np.float64]

TRAIN = "train"
_FEW_VALUES = 20
_MEASURES = frozenset(
    {
        "accuracy", "precision", "recall", "f1", "log_loss", "brier", "ece", "roc_auc",
        "mae", "rmse", "r2", "bias", "mape",
    }
)  # fmt: skip


class Performance:
    """Quality of the rows that have both `label` and `prediction`.

    Rows with `split` = `train` give the measures `train_accuracy`, `train_f1` …, all others the
    measures without prefix.

    Args:
        regression: whether predictions are values.
        classes: of the config, for macro averages.
        positive: the positive class of the config.
    """

    def __init__(self, regression: bool, classes: tuple[str, ...], positive: str | None) -> None:
        """No row yet."""
        self._counters = {
            prefix: RegressionCounter() if regression else ClassificationCounter(classes, positive)
            for prefix in ("", "train_")
        }
        self._calibrator = None if regression else Calibrator(positive)

    def update(self, rows: Roles) -> None:
        """Take in the rows of one part of a table."""
        label, prediction = rows.others.get("label"), rows.others.get("prediction")
        if label is None or prediction is None:
            return
        train = train_rows(rows)
        for prefix, mask in (("", ~train), ("train_", train)):
            if mask.any():
                self._update(prefix, rows.take(mask))

    def _update(self, prefix: str, rows: Roles) -> None:
        counter = self._counters[prefix]
        label, prediction = rows.others["label"], rows.others["prediction"]
        if isinstance(counter, RegressionCounter):
            counter.update(label.doubles(), prediction.doubles(), np.full(rows.size, np.nan))
            return
        actual, predicted = as_texts(label), as_texts(prediction)
        if actual.codes is None or predicted.codes is None:
            return
        here = np.flatnonzero((actual.codes >= 0) & (predicted.codes >= 0))
        actual, predicted = actual.take(here), predicted.take(here)
        scores = {name: column.doubles()[here] for name, column in rows.scores.items()}
        counter.update(actual, predicted, scores, np.full(len(here), np.nan))
        if self._calibrator is not None and not prefix:
            self._calibrator.update(actual, predicted, scores)

    def calibration(self) -> Mapping[str, ClassCalibration]:
        """How often each class was right by its score, on rows that were not trained on."""
        return {} if self._calibrator is None else self._calibrator.result()

    def result(self) -> Mapping[str, float]:
        """The measures that are defined, by name."""
        measures: dict[str, float] = {}
        for prefix, counter in self._counters.items():
            block = counter.result(counter.labelled)
            if block is None:
                continue
            for field in dataclasses.fields(block):
                value = getattr(block, field.name)
                if field.name in _MEASURES and value is not None:
                    measures[prefix + field.name] = value
        return measures


def train_rows(rows: Roles) -> Mask:
    """The rows that the model was trained on, where the table says so."""
    split = rows.others.get("split")
    return np.zeros(rows.size, np.bool_) if split is None else rows_that_say(split, TRAIN)


def looks_like_regression(rows: Roles) -> bool:
    """Whether predictions are values, judged by some rows where no config says it.

    Classes are texts, or come with scores, or are at most 20 different whole numbers.
    """
    outputs = [rows.others[name] for name in ("prediction", "label") if name in rows.others]
    if rows.scores or not outputs:
        return False
    for column in outputs:
        if column.codes is not None and bool((column.codes >= 0).any()):
            return False
        numbers = column.doubles()
        numbers = numbers[np.isfinite(numbers)]
        if len(np.unique(numbers)) > _FEW_VALUES or bool((numbers != np.floor(numbers)).any()):
            return True
    return False
