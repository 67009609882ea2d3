"""Named outputs to a prediction and its scores, row by row.

An output with one of the usual names for scores (`predict_proba`, `probabilities`, `scores`, …)
is the scores; the one named like a prediction, else the first other one, is the prediction.
Where the only output is a row of numbers, these are scores, and the prediction is the class with
the highest. Classes are named by the config (`models[].classes`), else by their index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from inferwatch.events.canonical import value_text
from inferwatch.events.prediction import FeatureValue
from inferwatch.settings.models import ModelSettings
from producers.sidecar.protocols.protocol import UndecodableError, Value

SCORE_NAMES = (
    "predict_proba",
    "probabilities",
    "scores",
    "probability",
    "score",
    "proba",
    "probs",
    "output_probability",
    "class_probabilities",
)
PREDICTION_NAMES = (
    "predict",
    "prediction",
    "predictions",
    "label",
    "labels",
    "class",
    "classes",
    "predicted_class",
    "output_label",
)


_NUMBERS = {int, float}


class Scored(NamedTuple):
    """One row's answer."""

    prediction: FeatureValue
    scores: dict[str, float]


def read_outputs(
    outputs: Mapping[str, Sequence[Value]], rows: int, model: ModelSettings
) -> list[Scored]:
    """One answer a row.

    Raises:
        UndecodableError: no output, or not one item a row.

    >>> from inferwatch.settings.models import DefaultSettings, settle
    >>> model = settle("m", None, DefaultSettings())
    >>> read_outputs({"label": [2], "probabilities": [[0.1, 0.2, 0.7]]}, 1, model)
    [Scored(prediction=2, scores={'0': 0.1, '1': 0.2, '2': 0.7})]
    """
    prediction_name, scores_name = _roles(tuple(outputs))
    if prediction_name is None and scores_name is None:
        raise UndecodableError("no_outputs")
    if prediction_name is None and _is_just_a_number(scores_name, outputs, model):
        prediction_name, scores_name = scores_name, None
    predictions = [None] * rows if prediction_name is None else outputs[prediction_name]
    scores = [None] * rows if scores_name is None else outputs[scores_name]
    if len(predictions) != rows or len(scores) != rows:
        raise UndecodableError("rows_differ")
    return [_scored(p, s, model) for p, s in zip(predictions, scores, strict=True)]


def _is_just_a_number(
    name: str | None, outputs: Mapping[str, Sequence[Value]], model: ModelSettings
) -> bool:
    """Whether the only output, named like scores, is a value: a regression's, or nobody knows."""
    if name is None or not {type(score) for score in outputs[name]} <= _NUMBERS:
        return False
    says_nothing = model.task is None and name.lower() in ("score", "scores")
    return model.task == "regression" or says_nothing


def _scored(prediction: Value, scores: Value, model: ModelSettings) -> Scored:
    if scores is None and isinstance(prediction, (list, Mapping)) and model.task != "regression":
        prediction, scores = None, prediction
    elif isinstance(prediction, list):
        # Several targets: the first one is watched.
        prediction = prediction[0] if prediction else None
    named = _by_class(scores, model.classes)
    if model.task == "multiclass" and named.keys() == {""} and prediction is not None:
        # One score of several classes is that of the class which was chosen.
        named = {value_text(prediction): named[""]} if _is_plain(prediction) else {}
    if scores is None and model.task == "binary" and _is_probability(prediction):
        prediction, named = None, {"": prediction}
    if prediction is None:
        prediction = _best(named, model)
    if not _is_plain(prediction):
        raise UndecodableError("no_prediction")
    return Scored(prediction, named)


def _is_plain(prediction: Value) -> bool:
    return isinstance(prediction, (str, int, float, bool))


def _is_probability(prediction: Value) -> bool:
    """A lone number inside 0..1, as networks with one sigmoid answer."""
    return isinstance(prediction, float) and 0 < prediction < 1


def _by_class(scores: Value, classes: Sequence[str]) -> dict[str, float]:
    if isinstance(scores, list):
        names = classes if len(classes) == len(scores) else _indices(len(scores))
        named = dict(zip(names, scores, strict=True))
    elif isinstance(scores, Mapping):
        named = {str(name): score for name, score in scores.items()}
    else:
        named = {"": scores}
    if set(map(type, named.values())) <= _NUMBERS:
        return named
    return {name: score for name, score in named.items() if type(score) in _NUMBERS}


@lru_cache(maxsize=256)
def _indices(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _best(scores: Mapping[str, float], model: ModelSettings) -> FeatureValue:
    """The class with the highest score: its name, or its index as a number."""
    if not scores:
        return None
    if scores.keys() == {""}:
        return _from_positive(scores[""], model)
    best = max(scores, key=lambda name: (scores[name] == scores[name], scores[name]))
    return int(best) if best.isdecimal() and best not in model.classes else best


def _from_positive(score: float, model: ModelSettings) -> FeatureValue:
    positive = model.positive or (model.classes[1] if len(model.classes) == 2 else "1")
    negative = next((name for name in model.classes if name != positive), "0")
    return positive if score >= 0.5 else negative


@lru_cache(maxsize=1024)
def _roles(names: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Which output is the prediction, and which one is its scores."""
    scores = _first(names, SCORE_NAMES)
    others = [name for name in names if name != scores]
    return _first(others, PREDICTION_NAMES) or next(iter(others), None), scores


def _first(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in names}
    return next((lower[name] for name in wanted if name in lower), None)
