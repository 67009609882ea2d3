"""What a caller told, as an exchange that was never on a wire: the reader takes it like others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from producers.sdk.values import UntellableError, features_of, plain, scores_of, size_of, text_of
from producers.sidecar.exchange import Exchange, Headers, Message
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, ReportedTruth, Value

# No told exchange has bytes on a wire; nobody writes to these. They are shared, and a row's values
# are tuples, which Python's cyclic collector lets go of: rows by the thousand must not make it look
# through the whole process again and again.
_NO_ANSWER = Message(complete=True)
_NO_HEADERS: Headers = []
_NO_PIECES: list[bytes] = []
_NO_ARRIVALS: list[float] = []
_NO_SEGMENT: Mapping[str, str] = {}


@dataclass(slots=True)
class Row:
    """One prediction as its caller told it, in plain values."""

    names: Sequence[str] | None
    values: Sequence[Value]
    prediction: Value
    scores: Value
    id: str | None
    segment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, features: Any, prediction: Any, scores: Any, id: Any, segment: Any) -> Row:
        """Take everything out of the caller's objects.

        Raises:
            UntellableError: features or segment of a form that has no names and values, or there
                is neither a prediction nor a score.
        """
        names, values = features_of(features)
        predicted = plain(prediction)
        scored = None if scores is None else scores_of(scores)
        if predicted is None and scored in (None, [], {}):
            raise UntellableError("prediction: nothing was told; allowed are a class or a number")
        if predicted == []:
            raise UntellableError(
                f"prediction: {type(prediction).__name__} holds not one value; allowed are a class "
                "or a number, one call a row"
            )
        told = _NO_SEGMENT
        if segment is not None:
            if not isinstance(segment, Mapping):
                raise UntellableError(
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


class _Told:
    """What every told exchange is to the reader: a protocol whose decoding has been done."""

    __slots__ = ()
    name = "sdk"
    reads_bodies = False

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """No request is its own."""
        return False


@dataclass(slots=True)
class ToldRows(_Told):
    """The rows of one call; `decode`, in the reader's thread, makes columns of them.

    Attributes:
        is_inference: whether there is a latency to be told beside the rows.
        words: those of a failure.
    """

    rows: Sequence[Row]
    model: str | None
    version: str | None
    is_inference: bool
    words: str | None = None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version that were told."""
        return self.model, self.version

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """What was told."""
        decoded = decoded_rows(self.rows, self.model, self.version)
        decoded.error = self.words
        return decoded


@dataclass(slots=True)
class ToldLabel(_Told):
    """What was right for the prediction with that id."""

    id: str
    label: Value
    is_inference: bool = False

    def target(self, path: str) -> tuple[str | None, str | None]:
        """A label names no model."""
        return None, None

    def decode(self, exchange: Exchange, bodies: Bodies) -> ReportedTruth:
        """What was told."""
        return ReportedTruth(model=None, id=self.id, truths=[self.label], names=(), inputs=())


def told_exchange(
    told: ToldRows | ToldLabel,
    *,
    ended_at: int,
    latency_ms: float = 0.0,
    status: int = 200,
    error: str | None = None,
    size: int = 0,
) -> Exchange:
    """The exchange for the reader; `size` are the bytes that it holds of the budget."""
    return Exchange(
        request=Message(_NO_HEADERS, _NO_PIECES, _NO_ARRIVALS, kept=size, complete=True),
        response=_NO_ANSWER,
        status=status,
        error=error,
        ended=latency_ms / 1000,
        ended_at=ended_at,
        protocol=told,
    )


def decoded_rows(rows: Sequence[Row], model: str | None, version: str | None) -> DecodedExchange:
    """What an exchange with these rows says.

    >>> row = Row.of({"amount": 12.5}, "legit", None, 17, {"region": "eu"})
    >>> decoded = decoded_rows([row], "fraud", None)
    >>> decoded.id, decoded.names, decoded.inputs, decoded.outputs
    ('17', ('amount',), [(12.5,)], {'prediction': ['legit']})
    """
    if not rows:
        return DecodedExchange(model=model, version=version)
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


def _together(rows: Sequence[Row]) -> tuple[Sequence[str] | None, list[Sequence[Value]]]:
    """One list of names for rows that may have different ones."""
    first = rows[0].names
    if all(row.names == first for row in rows):
        return first, [row.values for row in rows]
    named = [
        dict(zip(row.names or [f"f{n}" for n in range(len(row.values))], row.values, strict=True))
        for row in rows
    ]
    names = list(dict.fromkeys(name for row in named for name in row))
    return names, [[row.get(name) for name in names] for row in named]
