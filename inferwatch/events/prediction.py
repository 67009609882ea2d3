"""A prediction event: what a model was asked and what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FeatureValue = float | int | str | bool | None
"""A number, a text, a boolean (a category), or None for missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One row that a model scored.

    Attributes:
        model: the model's name.
        ts: when, in milliseconds since the epoch (UTC).
        prediction: the class, or the predicted value in a regression.
        version: the model's version.
        id: joins labels; None when the wire names none and none is minted.
        features: inputs by name; nested objects are flattened with dots.
        scores: probability by class; a bare number stands under the key "" (positive class).
        segment: what to look at by itself, `{"region": "eu"}`.
    """

    model: str
    ts: int
    prediction: FeatureValue
    version: str = "unversioned"
    id: str | None = None
    features: Mapping[str, FeatureValue] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    segment: Mapping[str, str] = field(default_factory=dict)
