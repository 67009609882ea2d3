"""The three objects of a prediction: features, scores and segment."""

from __future__ import annotations

from collections.abc import Mapping

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.describe import describe

POSITIVE = ""
"""The name of a bare score: the positive class, whatever it is called."""

_NOTHING: Mapping[str, object] = {}


def named_values(where: str, value: object) -> Mapping[str, object]:
    """Features or segments by name, not yet flattened; absent or null there are none.

    Raises:
        RejectedEventError: `malformed`, for whatever is no object.

    >>> named_values("features", {"amount": 12.5}), named_values("segment", None)
    ({'amount': 12.5}, {})
    """
    if value is None:
        return _NOTHING
    if isinstance(value, dict):
        return value
    raise RejectedEventError("malformed", where, f"it is {describe(value)}; an object is wanted")


def scores_by_class(value: object) -> Mapping[str, object]:
    """Scores by class; a bare number is the positive class's, under the empty name.

    Raises:
        RejectedEventError: `malformed`, for what is neither object nor number.

    >>> scores_by_class(0.25), scores_by_class({"fraud": 0.07})
    ({'': 0.25}, {'fraud': 0.07})
    """
    if value is None or isinstance(value, dict):
        return named_values("scores", value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {POSITIVE: value}
    raise RejectedEventError(
        "malformed", "scores", f"it is {describe(value)}; an object or a number is wanted"
    )
