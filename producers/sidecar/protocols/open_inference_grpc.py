"""The Open Inference Protocol V2 over gRPC: `ModelInfer`, and the stream of them.

Model, version and id stand in the messages. Tensors are typed `contents` or raw bytes, in either
half. A call is one exchange: of a stream's several requests and as many answers the rows are put
together; of several answers to one request the last one counts. A call's failure is its trailers'
(`grpc-status`), or an `error_message` inside the stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from producers.sidecar.content import ContentError, unpack
from producers.sidecar.exchange import Exchange, Headers, Message
from producers.sidecar.protocols.open_inference_v2 import NAME, columns_of
from producers.sidecar.protocols.protobuf import (
    Fields,
    floats,
    integers,
    messages,
    read_fields,
    text,
)
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError, Value
from producers.sidecar.protocols.tensors import Tensor, unpack_raw

_PATH = re.compile(r"/inference\.GRPCInferenceService/(?:ModelInfer|ModelStreamInfer)")
_STREAM = "Stream"
_LIMIT = 64 * 2**20
# Field of InferTensorContents, by datatype.
_INTEGERS = {1: False, 2: True, 3: True, 4: False, 5: False}
_FLOATS = {6: "f", 7: "d"}
_BYTES = 8


class OpenInferenceGrpc:
    """Calls for predictions.

    >>> path = "/inference.GRPCInferenceService/ModelInfer"
    >>> OpenInferenceGrpc().matches("POST", path, [])
    True
    """

    name = NAME
    reads_bodies = True
    is_inference = True

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is an inference."""
        return method == "POST" and _PATH.fullmatch(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The path names neither."""
        return None, None

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """The tensors of all messages as rows."""
        decoded = DecodedExchange()
        requests = [read_fields(m) for m in _messages(bodies.request, exchange.request)]
        if not requests:
            raise UndecodableError("no_message")
        decoded.model = text(requests[0], 1) or None
        decoded.version = text(requests[0], 2) or None
        decoded.id = text(requests[0], 3) or None
        parts = [columns_of(_tensors(r, raw=7), _is_frame(r)) for r in requests]
        decoded.names = parts[0][0]
        decoded.inputs = [row for _, rows in parts for row in rows]
        if exchange.status is None or exchange.status >= 300:
            told = exchange.response.header(b"grpc-message")
            decoded.error = unquote(told) if told else None
            return decoded
        try:
            answers = [read_fields(m) for m in _messages(bodies.response, exchange.response)]
            if _STREAM in exchange.path:
                answers = [self._streamed(answer, decoded) for answer in answers]
            self._read_answers(answers, len(parts), decoded)
        except UndecodableError as error:
            decoded.lost = error.reason
        return decoded

    def _streamed(self, answer: Fields, decoded: DecodedExchange) -> Fields:
        told = text(answer, 1)
        if told:
            decoded.failure, decoded.error = "stream_error", told
        inner = messages(answer, 2)
        return read_fields(inner[-1]) if inner else {}

    def _read_answers(self, answers: list[Fields], requests: int, decoded: DecodedExchange) -> None:
        answers = [answer for answer in answers if answer]
        if not answers:
            decoded.lost = None if decoded.failure else "no_message"
            return
        if len(answers) != requests:
            answers = answers[-1:]
        decoded.id = decoded.id or text(answers[0], 3) or None
        decoded.version = decoded.version or text(answers[0], 2) or None
        outputs: dict[str, list[Value]] = {}
        for answer in answers:
            for tensor in _tensors(answer, raw=6):
                outputs.setdefault(tensor.name, []).extend(tensor.row_items())
        decoded.outputs = outputs


def _messages(body: bytes | None, half: Message) -> list[bytes]:
    """The messages of a body, free of gRPC's five bytes before each, and of compression."""
    if body is None:
        raise UndecodableError("no_body")
    found = []
    at = 0
    while at + 5 <= len(body):
        packed, length = body[at], int.from_bytes(body[at + 1 : at + 5])
        message = body[at + 5 : at + 5 + length]
        if len(message) < length:
            raise UndecodableError("no_message")
        if packed:
            try:
                message = unpack(message, half.header(b"grpc-encoding"), _LIMIT)
            except ContentError as error:
                raise UndecodableError(error.reason) from None
        found.append(message)
        at += 5 + length
    return found


def _tensors(message: Fields, *, raw: int) -> list[Tensor]:
    raws = messages(message, raw)
    tensors = []
    for place, data in enumerate(messages(message, 5)):
        fields = read_fields(data)
        shape = tuple(integers(fields.get(3, ()), signed=True))
        if any(size < 0 for size in shape):
            raise UndecodableError("shape")
        if place < len(raws):
            values = unpack_raw(text(fields, 2), memoryview(raws[place]))
        else:
            values = _contents(messages(fields, 5))
        tensors.append(Tensor(text(fields, 1), shape, values))
    return tensors


def _contents(parts: Sequence[bytes]) -> list[Value]:
    values: list[Any] = []
    for part in parts:
        for number, found in read_fields(part).items():
            if number == 1:
                values += [bool(v) for v in integers(found, signed=False)]
            elif number in _INTEGERS:
                values += integers(found, signed=_INTEGERS[number])
            elif number in _FLOATS:
                values += floats(found, _FLOATS[number])
            elif number == _BYTES:
                values += [v.decode("utf-8", "replace") for v in found if isinstance(v, bytes)]
    return values


def _is_frame(request: Fields) -> bool:
    """Whether the parameter `content_type` says that tensors are columns of a frame."""
    for entry in messages(request, 4):
        fields = read_fields(entry)
        if text(fields, 1) == "content_type":
            return any(text(read_fields(value), 3) == "pd" for value in messages(fields, 2))
    return False
