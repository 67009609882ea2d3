"""What a caller told, as an exchange that was never on a wire: the reader takes it like others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from producers.sdk.values import features_of, plain, scores_of, size_of, text_of
from producers.sidecar.exchange import Exchange, Headers, Message
from producers.sidecar.protocols.protocol import (
    Bodies,
    Decoded,
    DecodedExchange,
    ReportedTruth,
    Value,
)


@dataclass(slots=True)
class Told:
    """The protocol of such an exchange: it holds what decoding would find.

    Attributes:
        is_inference: whether there is a latency to be told beside the rows.
    """

    decoded: Decoded
    is_inference: bool
    name: str = "sdk"
    reads_bodies: bool = False

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """No request is its own."""
        return False

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version that were told."""
        if isinstance(self.decoded, DecodedExchange):
            return self.decoded.model, self.decoded.version
        return None, None

    def decode(self, exchange: Exchange, bodies: Bodies) -> Decoded:
        """What was told."""
        return self.decoded


@dataclass(slots=True)
class Row:
    """One prediction as its caller told it, in plain values."""

    names: Sequence[str] | None
    values: list[Value]
    prediction: Value
    scores: Value
    id: str | None
    segment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, features: Any, prediction: Any, scores: Any, id: Any, segment: Any) -> Row:
        """Take everything out of the caller's objects.

        Raises:
            TypeError: features or segment of a form that has no names and values.
            ValueError: there is neither a prediction nor a score.
        """
        names, values = features_of(features)
        predicted = plain(prediction)
        scored = None if scores is None else scores_of(scores)
        if predicted is None and scored in (None, [], {}):
            raise ValueError("prediction: nothing was told; allowed are a class or a number")
        if predicted == []:
            raise ValueError(
                f"prediction: {type(prediction).__name__} holds not one value; allowed are a class "
                "or a number, one call a row"
            )
        told = {}
        if segment is not None:
            if not isinstance(segment, Mapping):
                raise TypeError(
                    f"segment: {type(segment).__name__} is no mapping; "
                    "allowed is {'region': 'eu'}"
                )
            told = {str(key): str(value) for key, value in segment.items() if value is not None}
        return cls(names, values, predicted, scored, text_of(id), told)

    @property
    def size(self) -> int:
        """Roughly the bytes that it takes."""
        scores = 100 * len(self.scores) if isinstance(self.scores, (list, dict)) else 0
        return size_of(self.values) + scores + 200 * len(self.segment)


def decoded_rows(rows: Sequence[Row], model: str | None, version: str | None) -> DecodedExchange:
    """What an exchange with these rows says.

    >>> row = Row.of({"amount": 12.5}, "legit", None, 17, {"region": "eu"})
    >>> decoded = decoded_rows([row], "fraud", None)
    >>> decoded.id, decoded.names, decoded.inputs, decoded.outputs
    ('17', ['amount'], [[12.5]], {'prediction': ['legit']})
    """
    if len(rows) == 1:
        row = rows[0]
        names: Sequence[str] | None = row.names
        inputs = [row.values]
    else:
        names, inputs = _together(rows)
    outputs: dict[str, list[Value]] = {}
    if any(row.prediction is not None for row in rows):
        outputs["prediction"] = [row.prediction for row in rows]
    if any(row.scores is not None for row in rows):
        outputs["scores"] = [row.scores for row in rows]
    return DecodedExchange(
        model=model,
        version=version,
        id=rows[0].id if len(rows) == 1 else None,
        names=names,
        inputs=inputs,
        outputs=outputs,
        ids=None if len(rows) == 1 else [row.id for row in rows],
        segments=[row.segment for row in rows] if any(row.segment for row in rows) else None,
    )


def _together(rows: Sequence[Row]) -> tuple[Sequence[str] | None, list[list[Value]]]:
    """One list of names for rows that may have different ones."""
    first = rows[0].names if rows else []
    if all(row.names == first for row in rows):
        return first, [row.values for row in rows]
    named = [
        dict(zip(row.names or [f"f{n}" for n in range(len(row.values))], row.values, strict=True))
        for row in rows
    ]
    names = list(dict.fromkeys(name for row in named for name in row))
    return names, [[row.get(name) for name in names] for row in named]


def told_exchange(
    decoded: Decoded,
    *,
    ended_at: int,
    latency_ms: float | None = None,
    status: int = 200,
    error: str | None = None,
    size: int = 0,
) -> Exchange:
    """The exchange for the reader; `size` are the bytes that it holds of the budget."""
    exchange = Exchange(
        request=Message(kept=size, complete=True), status=status, error=error, ended_at=ended_at
    )
    if latency_ms is not None:
        exchange.ended = latency_ms / 1000
    exchange.protocol = Told(decoded, is_inference=latency_ms is not None)
    return exchange


def reported_truth(id: str, label: Value) -> ReportedTruth:
    """What was right for the prediction with that id."""
    return ReportedTruth(model=None, id=id, truths=[label], names=(), inputs=())
