"""The scores of labelled rows, looked at as each measure needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Mask
from pipeline.stats.confusion import Texts, encode

Floats = NDArray[np.float64]


class ScoreRows:
    """Scores by class beside the actual and the predicted class of each row.

    Attributes:
        of_actual: the score of the actual class, NaN where it is not known.
        of_predicted: the score of the predicted class.
        right: whether the two classes are one.

    >>> rows = ScoreRows(["no"], ["yes"], {"": np.array([0.7])}, "yes")
    >>> rows.of_actual.round(2).tolist(), rows.of_predicted.tolist()
    ([0.3], [0.7])
    """

    def __init__(
        self,
        actual: Texts,
        predicted: Texts,
        scores: Mapping[str, Floats],
        positive: str | None,
    ) -> None:
        """Look up each row's own scores."""
        truth, names = encode(actual)
        answers, answer_names = encode(predicted)
        self._codes = {name: code for code, name in enumerate(names)}
        place = [self._codes.setdefault(name, len(self._codes)) for name in answer_names]
        self._truth = truth
        answers = np.array(place, np.int32)[answers]
        size = len(truth)
        self._positive = positive
        self._scores = {name: column for name, column in scores.items() if name}
        self.right: Mask = self._truth == answers
        if positive is not None:
            self._scores[positive] = _positive_score(scores, positive, size)
        self.of_actual = self._own(self._truth)
        self.of_predicted = self._own(answers)

    def _own(self, codes: NDArray[np.int32]) -> Floats:
        own = np.full(len(codes), np.nan)
        for name, column in self._scores.items():
            mine = codes == self._codes.get(name, -1)
            own[mine] = column[mine]
        if self._positive is not None:
            # The other class of a binary model: what its score was sent as, else the rest to 1.
            rest = np.isnan(own) & (codes != self._codes.get(self._positive, -1))
            own[rest] = 1 - self._scores[self._positive][rest]
        return own

    def squares(self) -> Floats:
        """Brier's term of each row that has the scores for it."""
        if self._positive is not None:
            score = self._scores[self._positive]
            here = np.isfinite(score)
            target = self._truth == self._codes.get(self._positive, -1)
            terms: Floats = np.square(score[here] - target[here])
            return terms
        here = np.isfinite(self.of_actual)
        total = np.zeros(int(here.sum()))
        for name, column in self._scores.items():
            # A class whose score was not sent has none: its term is that of a score of 0.
            score = np.nan_to_num(column[here], nan=0.0)
            total += np.square(score - (self._truth[here] == self._codes.get(name, -1)))
        return total

    def one_against_rest(self) -> Iterator[tuple[str, Floats, Mask]]:
        """Each class to rank by: its name, the scores, and which rows are of it."""
        names = self._scores if self._positive is None else (self._positive,)
        for name in names:
            column = self._scores[name]
            here = np.isfinite(column)
            if here.any():
                yield name, column[here], self._truth[here] == self._codes.get(name, -1)


def _positive_score(scores: Mapping[str, Floats], positive: str, size: int) -> Floats:
    score = np.full(size, np.nan)
    for name in (positive, ""):
        if name in scores:
            score = np.where(np.isnan(score), scores[name], score)
    others = [name for name in scores if name not in ("", positive)]
    if len(others) == 1:
        score = np.where(np.isnan(score), 1 - scores[others[0]], score)
    return score
