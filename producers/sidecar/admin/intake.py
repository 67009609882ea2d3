"""Events that are posted as JSON: one object, a list of them, or one a line.

All or none: where one event is wrong nothing is taken, every mistake is named by its place, and
the sender can mend and send all of it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from inferwatch.errors import RejectedEventError
from inferwatch.events.flatten import flatten
from inferwatch.events.json_parse import parse_exactly, parse_json
from inferwatch.events.label import Label
from inferwatch.events.prediction import Prediction

MOST_EVENTS = 65_536
_MOST_MISTAKES = 20
_MAX_TS = 2**63 - 1

T = TypeVar("T")


class IntakeError(Exception):
    """What was posted is wrong; `mistakes` name each place and what is allowed."""

    def __init__(self, mistakes: list[dict[str, Any]]) -> None:
        """Keep the mistakes."""
        super().__init__(f"{len(mistakes)} mistakes")
        self.mistakes = mistakes


def read_labels(body: bytes, now_ms: int) -> list[Label]:
    """The labels of a body; `ts` is now where it is absent.

    >>> read_labels(b'{"id": 17, "label": "late", "ts": 5}', 0)
    [Label(id='17', ts=5, label='late')]
    """
    return _each(body, lambda event: _label(event, now_ms))


def read_predictions(body: bytes) -> list[Prediction]:
    """The predictions of a body, with `features` flattened."""
    return _each(body, _prediction)


def _each(body: bytes, read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    events: list[T] = []
    mistakes: list[dict[str, Any]] = []
    for index, event in enumerate(_documents(body)):
        try:
            if not isinstance(event, Mapping):
                raise RejectedEventError("malformed", "", "an event is an object")
            events.append(read(event))
        except RejectedEventError as error:
            mistakes.append(
                {
                    "index": index,
                    "where": error.where,
                    "reason": error.reason,
                    "what": error.detail,
                }
            )
            if len(mistakes) >= _MOST_MISTAKES:
                break
    if mistakes:
        raise IntakeError(mistakes)
    return events


def _documents(body: bytes) -> list[Any]:
    try:
        value = parse_exactly(body)
        found = value if isinstance(value, list) else [value]
    except RejectedEventError as error:
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) < 2:
            raise _whole_body(error.detail) from None
        found = [_line(line, index) for index, line in enumerate(lines)]
    if not 1 <= len(found) <= MOST_EVENTS:
        raise _whole_body(f"{len(found)} events; allowed are 1 to {MOST_EVENTS}")
    return found


def _whole_body(what: str) -> IntakeError:
    return IntakeError([{"index": 0, "where": "", "reason": "malformed", "what": what}])


def _line(line: bytes, index: int) -> Any:
    try:
        return parse_json(line) if b'"id"' not in line else parse_exactly(line)
    except RejectedEventError as error:
        raise IntakeError(
            [{"index": index, "where": "", "reason": "malformed", "what": error.detail}]
        ) from None


def _label(event: Mapping[str, Any], now_ms: int) -> Label:
    label = event.get("label")
    if label is None or isinstance(label, (dict, list)):
        raise RejectedEventError("malformed", "label", "a text, a number or a boolean is wanted")
    row_id = _id(event.get("id"))
    if row_id is None:
        raise RejectedEventError("malformed", "id", "the id of the prediction is wanted")
    ts = event.get("ts")
    return Label(id=row_id, ts=now_ms if ts is None else _ts(ts), label=label)


def _prediction(event: Mapping[str, Any]) -> Prediction:
    model = event.get("model")
    if not isinstance(model, str) or not model:
        raise RejectedEventError("no_model", "model", "the name of the model is wanted")
    if event.get("ts") is None:
        raise RejectedEventError("no_ts", "ts", "milliseconds since the epoch are wanted")
    prediction = event.get("prediction")
    if prediction is None:
        raise RejectedEventError("no_prediction", "prediction", "a class or a number is wanted")
    if isinstance(prediction, (dict, list)):
        raise RejectedEventError("malformed", "prediction", "a class or a number is wanted")
    version = event.get("version")
    return Prediction(
        model=model,
        version="unversioned" if version is None else str(version),
        ts=_ts(event["ts"]),
        id=_id(event.get("id")),
        features=cast(dict[str, Any], flatten(_object(event, "features"))),
        prediction=prediction,
        scores=_scores(event.get("scores")),
        segment={key: str(v) for key, v in _object(event, "segment").items() if v is not None},
    )


def _object(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = event.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RejectedEventError("malformed", key, "an object is wanted")
    return value


def _scores(value: Any) -> dict[str, float]:
    if value is None:
        return {}
    if _is_number(value):
        return {"": value}
    if not isinstance(value, Mapping):
        raise RejectedEventError("malformed", "scores", "an object or a number is wanted")
    for name, score in value.items():
        if not _is_number(score):
            raise RejectedEventError("malformed", f"scores.{name}", "a number is wanted")
    return dict(value)


def _id(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = getattr(value, "text", value)  # a whole number beyond all doubles keeps its digits
    return text if isinstance(text, str) and text else None


def _ts(value: Any) -> int:
    if _is_number(value) and math.isfinite(value) and value == int(value):
        ts = int(value)
        if abs(ts) <= _MAX_TS:
            return ts
    raise RejectedEventError("malformed", "ts", "whole milliseconds since the epoch are wanted")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
