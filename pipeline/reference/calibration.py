"""How often the model was right on the reference's labelled rows, by class and confidence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.reference import ClassCalibration
from pipeline.columns import Column
from pipeline.estimate.confidence import ConfidenceCounter, Confidences


class Calibrator:
    """Counts labelled rows that the model was not trained on; memory: 2 kB a class."""

    def __init__(self, positive: str | None) -> None:
        """No row yet; `positive` as in the config."""
        self._positive = positive
        self._rows = ConfidenceCounter()
        self._right = ConfidenceCounter()

    def update(
        self, actual: Column, predicted: Column, scores: Mapping[str, NDArray[np.float64]]
    ) -> None:
        """Count rows; both classes are text columns without missing rows."""
        if not scores:
            return
        assert actual.codes is not None and predicted.codes is not None
        sure = Confidences.of(predicted, scores, self._positive)
        code = {text: place for place, text in enumerate(actual.texts)}
        place = np.array([code.get(text, -1) for text in predicted.texts], np.int64)
        right = place[predicted.codes] == actual.codes
        self._rows.update(sure)
        self._right.update(sure.take(np.flatnonzero(right)))

    def result(self) -> Mapping[str, ClassCalibration]:
        """By predicted class; empty without scores."""
        right = self._right.by_class()
        found = {}
        for name, rows in sorted(self._rows.by_class().items()):
            bins = np.flatnonzero(rows)
            mine = right[name][bins] if name in right else np.zeros_like(bins)
            found[name] = ClassCalibration(
                bins=tuple(bins.tolist()),
                rows=tuple(rows[bins].tolist()),
                right=tuple(mine.tolist()),
            )
        return found
