"""An exchange and what it says, made into events.

Every request for a prediction makes one latency event; a successful one that could be read makes
one prediction event a row. `ts` is the moment when the answer was whole: it lies inside the
exchange, and never goes back from event to event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from inferwatch.events.canonical import value_text
from inferwatch.events.label import Label
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.events.sampling import keeps
from inferwatch.settings.models import ModelSettings
from inferwatch.settings.sidecar import SidecarSettings
from producers.counters import Counters
from producers.sidecar.exchange import Exchange
from producers.sidecar.ids import exchange_id, row_ids
from producers.sidecar.outputs import read_outputs
from producers.sidecar.protocols.protocol import (
    DecodedExchange,
    LearnedNames,
    ReportedTruth,
    UndecodableError,
    Value,
)
from producers.sidecar.redact import MASK, Redactor
from producers.sidecar.segments import Segmenter
from producers.sidecar.streams import is_stream

UNVERSIONED = "unversioned"
LONGEST_ERROR = 200
LONGEST_ID = 256
# Pixels of an image are no features to watch one by one.
MOST_COLUMNS = 4096
_MOST_LEARNED = 1024


class Made(NamedTuple):
    """The events of one exchange.

    Attributes:
        latency: None where nobody names the model.
        lost: why the answer gives no predictions, though it should.
    """

    latency: Latency | None
    predictions: list[Prediction] | tuple[()] = ()
    lost: str | None = None


class EventMaker:
    """Makes the events of one sidecar; used by one thread."""

    def __init__(
        self,
        settings: SidecarSettings,
        model_settings: Callable[[str], ModelSettings],
        counters: Counters,
    ) -> None:
        """Read the rules of the config once."""
        self._settings = settings
        self._model_settings = lru_cache(maxsize=1024)(model_settings)
        self._counters = counters
        self._redactor = Redactor(settings.features, settings.redact)
        self._segmenter = Segmenter(settings.segments)
        self._learned: dict[tuple[str, str | None], tuple[str, ...]] = {}

    def learn(self, names: LearnedNames) -> None:
        """Remember the column names that an answer of the server told."""
        if len(self._learned) < _MOST_LEARNED:
            self._learned[names.model, names.version] = names.names

    def learn_from(self, earlier: EventMaker) -> None:
        """Remember what another maker has learned."""
        self._learned = dict(earlier._learned)

    def make(self, exchange: Exchange, decoded: DecodedExchange) -> Made:
        """The events of one exchange."""
        model = decoded.model or self._settings.model
        if model is None:
            return Made(None)
        rows, secrets = self._features(model, decoded)
        request_id = self._id(exchange, decoded, secrets)
        latency = self._latency(exchange, decoded, model, request_id, secrets)
        if latency.error is not None or not _succeeded(exchange):
            return Made(latency)
        if decoded.lost is not None or rows is None:
            return Made(latency, lost=decoded.lost)
        try:
            return Made(latency, self._predictions(exchange, decoded, latency, rows, secrets))
        except UndecodableError as error:
            return Made(latency, lost=error.reason)

    def latency_only(self, exchange: Exchange) -> Latency | None:
        """The latency event of an exchange that could not be read."""
        assert exchange.protocol is not None
        model, version = exchange.protocol.target(exchange.path)
        return self.make(exchange, DecodedExchange(model=model, version=version)).latency

    def labels(self, exchange: Exchange, told: ReportedTruth) -> list[Label]:
        """The labels that a client sent to its model server."""
        model = told.model or self._settings.model or UNVERSIONED
        earlier = DecodedExchange(names=told.names, inputs=told.inputs)
        _, secrets = self._features(model, earlier)
        unread = self._redactor.has_rules and told.inputs is None
        if unread or not _succeeded(exchange) or any(secret in told.id for secret in secrets):
            return []
        truths = read_outputs({"": told.truths}, len(told.truths), self._model_settings(model))
        ids = row_ids(told.id[:LONGEST_ID], len(truths))
        return [
            Label(id=row_id, ts=exchange.ended_at, label=truth.prediction)
            for row_id, truth in zip(ids, truths, strict=True)
            if row_id is not None
            and truth.prediction is not None
            and not any(secret in value_text(truth.prediction) for secret in secrets)
        ]

    # ---- parts

    def _features(
        self, model: str, decoded: DecodedExchange
    ) -> tuple[list[dict[str, Value]] | None, list[str]]:
        if decoded.inputs is None:
            return None, []
        names = self._names(model, decoded)
        rows = [dict(zip(names, row, strict=False)) for row in decoded.inputs]
        if self._redactor.is_idle:
            return rows, []
        kept: list[dict[str, Value]] = []
        secrets: set[str] = set()
        for row in rows:
            features, taken_out = self._redactor.features(row)
            kept.append(features)
            secrets.update(taken_out)
        return kept, sorted(secrets, key=len, reverse=True)

    def _names(self, model: str, decoded: DecodedExchange) -> Sequence[str]:
        inputs = decoded.inputs or ()
        if decoded.names is not None:
            return decoded.names[:MOST_COLUMNS]
        width = max(map(len, inputs), default=0)
        known = (
            self._settings.features.names,
            self._learned.get((model, decoded.version), ()),
            self._learned.get((model, None), ()),
        )
        for names in known:
            if len(names) == width:
                return names
        return _numbered(min(width, MOST_COLUMNS))

    def _is_unread(self, decoded: DecodedExchange) -> bool:
        """Whether something is to be hidden whose values nobody could read."""
        if not self._redactor.has_rules:
            return False
        return decoded.inputs is None or (decoded.inputs != [] and not any(decoded.inputs))

    def _id(self, exchange: Exchange, decoded: DecodedExchange, secrets: list[str]) -> str | None:
        request_id = exchange_id(exchange, decoded.id)
        if request_id is None:
            return None
        # An id that holds a hidden value cannot be told, and half an id joins nothing.
        unread = self._is_unread(decoded) and exchange.minted is None
        if unread or any(secret in request_id for secret in secrets):
            return None
        return request_id[:LONGEST_ID]

    def _latency(
        self,
        exchange: Exchange,
        decoded: DecodedExchange,
        model: str,
        request_id: str | None,
        secrets: list[str],
    ) -> Latency:
        error = exchange.error
        if error is None and exchange.status is not None and exchange.status >= 500:
            error = "upstream_5xx"
        error = error or decoded.failure
        may_tell = self._settings.errors.text and not self._is_unread(decoded)
        if error is not None and may_tell and decoded.error:
            text = self._redactor.scrub(decoded.error, [*decoded.private, *secrets])
            error = f"{error}: {text}"[:LONGEST_ERROR]
        response = exchange.response
        first = decoded.first_token
        if not decoded.streams_tokens and is_stream(response.header(b"content-type")):
            first = response.first_body
        return Latency(
            model=model,
            version=decoded.version or self._settings.version or UNVERSIONED,
            ts=exchange.ended_at,
            latency_ms=exchange.latency_ms,
            status=exchange.status,
            rows=decoded.rows,
            request_bytes=exchange.request.size if exchange.method else None,
            response_bytes=response.size if exchange.method else None,
            error=error,
            ttft_ms=None if first is None else (first - exchange.request.started) * 1000,
            tokens_in=decoded.tokens_in,
            tokens_out=decoded.tokens_out,
            id=request_id,
        )

    def _predictions(
        self,
        exchange: Exchange,
        decoded: DecodedExchange,
        latency: Latency,
        rows: list[dict[str, Value]],
        secrets: list[str],
    ) -> list[Prediction]:
        outputs = self._redactor.without_hidden(decoded.outputs)
        if not outputs:
            raise UndecodableError("redacted" if decoded.outputs else "no_outputs")
        scored = read_outputs(outputs, len(rows), self._model_settings(latency.model))
        segments = self._told(self._segmenter.of_request(exchange), secrets)
        predictions = []
        share = self._settings.sample.predictions
        ids = self._row_ids(decoded, latency.id, len(rows), secrets)
        for row, (features, answer, row_id) in enumerate(zip(rows, scored, ids, strict=True)):
            if share < 1 and not keeps(row_id, share):
                self._counters.add("rows_sampled_out_total")
                continue
            prediction = answer.prediction
            if secrets and isinstance(prediction, str):
                prediction = self._redactor.scrub(prediction, secrets)
            of_row = self._segmenter.of_row(features)
            if decoded.segments is not None:
                of_row |= self._told(decoded.segments[row], secrets)
            predictions.append(
                Prediction(
                    model=latency.model,
                    version=latency.version,
                    ts=latency.ts,
                    id=row_id,
                    features=features,
                    prediction=prediction,
                    scores=self._redactor.without_hidden(answer.scores),
                    segment={**segments, **of_row} if of_row else segments,
                )
            )
        return predictions

    def _row_ids(
        self, decoded: DecodedExchange, request_id: str | None, rows: int, secrets: list[str]
    ) -> list[str | None]:
        if decoded.ids is None:
            return row_ids(request_id, rows)
        if self._is_unread(decoded):
            return [None] * rows
        return [
            None if row_id is None or any(secret in row_id for secret in secrets) else row_id
            for row_id in decoded.ids
        ]

    def _told(self, segments: Mapping[str, str], secrets: list[str]) -> dict[str, str]:
        return {
            key: MASK if any(secret in value for secret in secrets) else value
            for key, value in segments.items()
            if not self._redactor.hides(key)
        }


@lru_cache(maxsize=256)
def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"f{column}" for column in range(width))


def _succeeded(exchange: Exchange) -> bool:
    return exchange.status is not None and 200 <= exchange.status < 300
