"""The demo's model: will a flight that leaves now come in late? Trained on January."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from inferwatch.demo.flights import Flight, matrix

NAME = "flight-delay"
VERSION = "1"
CLASSES = ("late", "on_time")
HOLD_OUT = 4
"""Every fourth flight of January validates and makes the reference; the rest trains."""


class DelayModel:
    """A gradient-boosted classifier of arrival delay; about 90 % right on February."""

    def __init__(self, flights: Sequence[Flight]) -> None:
        """Train on these flights: the same flights give the same model."""
        classifier: Any = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=15, random_state=0
        )
        self._classifier = classifier.fit(matrix(flights), [f.label for f in flights])

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape (n, 2): the probability of `late` and of `on_time`."""
        result: NDArray[np.float64] = self._classifier.predict_proba(rows)
        return result


def train_split(january: Sequence[Flight]) -> tuple[list[Flight], list[Flight]]:
    """(training flights, validation flights)."""
    train = [flight for n, flight in enumerate(january) if n % HOLD_OUT]
    return train, list(january[::HOLD_OUT])
