"""The interface of a protocol: which exchanges are its own, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from producers.sidecar.exchange import Exchange, Headers

Value = Any
"""What stands at one place of an input: a number, a text, a boolean, None, or something odd."""


class UndecodableError(Exception):
    """The copy does not say what its protocol promises; `reason` is a short class for counting."""

    def __init__(self, reason: str) -> None:
        """Remember the reason."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Bodies:
    """The two bodies, free of content encodings; None where the copy is not whole."""

    request: bytes | None
    response: bytes | None


@dataclass(slots=True, kw_only=True)
class DecodedExchange:
    """What an exchange says, in rows.

    Attributes:
        model, version: None where the wire names none.
        id: from the bodies only (headers are the same for all protocols, see `ids`).
        names: of the input columns; None where the wire names none.
        inputs: rows x columns; None where the request cannot be read as rows.
        outputs: by name (an unnamed one is ""), one item a row: a scalar, a list of scores, or
            scores by class.
        error: the server's own words about its failure.
        failure: short class of a failure that the answer tells under a status of success.
        lost: why the rows give no prediction, though the request could be read.
        tokens_in, tokens_out: as the server counted them.
        streams_tokens: whether `first_token` is known, or known to be absent.
        first_token: monotonic seconds when the first piece of content came.
        private: texts that must not be found in `error`.
        ids: of the rows, where the caller told each by itself; else they come from `id`.
        segments: of the rows, where the caller told them; beside those that the config names.
    """

    model: str | None = None
    version: str | None = None
    id: str | None = None
    names: Sequence[str] | None = None
    inputs: Sequence[Sequence[Value]] | None = None
    outputs: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    error: str | None = None
    failure: str | None = None
    lost: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    streams_tokens: bool = False
    first_token: float | None = None
    private: Sequence[str] = ()
    ids: Sequence[str | None] | None = None
    segments: Sequence[Mapping[str, str]] | None = None

    @property
    def rows(self) -> int | None:
        """How many predictions were asked for."""
        return None if self.inputs is None else len(self.inputs)


@dataclass(frozen=True, slots=True)
class LearnedNames:
    """Names of a model's input columns, from an answer that described the model."""

    model: str
    version: str | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportedTruth:
    """What was right for an earlier request, as its client told the server.

    Attributes:
        id: of that request.
        truths: one item a row, as in `DecodedExchange.outputs`.
        names, inputs: the earlier request, where it is told once more.
    """

    model: str | None
    id: str
    truths: Sequence[Value]
    names: Sequence[str] | None = None
    inputs: Sequence[Sequence[Value]] | None = None


Decoded = DecodedExchange | LearnedNames | ReportedTruth


@runtime_checkable
class WireProtocol(Protocol):
    """One way to speak to a model server.

    Attributes:
        name: as in `sidecar.protocol` of the config.
        reads_bodies: whether `decode` wants the bodies; else none is kept.
        is_inference: whether its exchanges are requests for predictions, which make events.
    """

    name: str
    reads_bodies: bool
    is_inference: bool

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this request is its own; runs on the request path, so it must be quick."""

    def target(self, path: str) -> tuple[str | None, str | None]:
        """Model and version that the path names."""

    def decode(self, exchange: Exchange, bodies: Bodies) -> Decoded:
        """What it says.

        Raises:
            UndecodableError: the bodies are not what the protocol promises.
        """
