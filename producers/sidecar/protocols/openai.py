"""OpenAI-compatible servers: chat, completions, embeddings and responses, streamed or whole.

Latency events carry the tokens as the server counted them (in a stream the last count that it
tells, wherever it stands) and the time to the first piece of content: the piece that only tells
the role is none. An error inside a stream that began with 200 is an error, and so is a stream
that stops before it said why it ends.

No text of a message, a prompt or an answer leaves this process. Predictions tell how a request is
made (how many messages, how long, which parameters) and how its answer ended (`stop`, `length`,
`tool_calls`; of an embedding its dimensions), so that drift of either can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.json_body import error_text, read_object
from producers.sidecar.protocols.openai_answer import Answer
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError, Value
from producers.sidecar.streams import media_type, server_sent

_PATH = re.compile(
    r"/(?:v\d+|deployments/(?P<model>[^/]+)|engines/(?P<engine>[^/]+))"
    r"/(?P<kind>chat/completions|completions|embeddings|responses)/?$"
)
# What of a request is worth watching, and is no text of a person.
_PARAMETERS = (
    "temperature",
    "top_p",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "dimensions",
    "stream",
)
_LONGEST_PRIVATE = 4096


class OpenAI:
    """Requests for answers and for embeddings.

    >>> OpenAI().matches("POST", "/v1/chat/completions", [])
    True
    >>> OpenAI().target("/openai/deployments/gpt/chat/completions")
    ('gpt', None)
    """

    name = "openai"
    reads_bodies = True
    is_inference = True

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this asks for an answer."""
        return method == "POST" and _PATH.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The deployment, where the path names one; else the body names the model."""
        found = _PATH.search(path)
        model = None if found is None else found["model"] or found["engine"]
        return (None if model is None else unquote(model)), None

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """The shape of the request, the counts and the times of the answer."""
        path_model, _ = self.target(exchange.path)
        decoded = DecodedExchange()
        try:
            request = read_object(bodies.request)
        except UndecodableError as error:
            request, decoded.lost = {}, error.reason
        _read_request(request, decoded)
        answer = Answer()
        is_stream = media_type(exchange.response.header(b"content-type")) == "text/event-stream"
        if exchange.status is None or exchange.status >= 300:
            decoded.error = error_text(bodies.response)
        elif is_stream:
            self._read_stream(exchange, bodies, decoded, answer)
        else:
            answer.take(read_object(bodies.response))
        decoded.model = path_model or _text(request.get("model")) or answer.model
        decoded.id = answer.id
        decoded.tokens_in, decoded.tokens_out = answer.tokens_in, answer.tokens_out
        if answer.error is not None:
            decoded.failure = "stream_error" if is_stream else "upstream_error"
            decoded.error = answer.error
        if decoded.error is not None:
            decoded.private = _private(request)
        rows = decoded.rows
        if rows is not None:
            decoded.outputs = {"": answer.endings(rows)}
        return decoded

    def _read_stream(
        self, exchange: Exchange, bodies: Bodies, decoded: DecodedExchange, answer: Answer
    ) -> None:
        """Read what came of a stream: also of one that was cut, or whose ends alone were kept."""
        response = exchange.response
        is_packed = response.header(b"content-encoding") is not None
        body = bodies.response
        if body is None and (is_packed or not response.body):
            decoded.lost = decoded.lost or "no_body"
            return
        for data, end in server_sent(b"".join(response.body) if body is None else body):
            if answer.take_data(data) and decoded.first_token is None and not is_packed:
                decoded.first_token = response.arrived_at(end)
        decoded.streams_tokens = not is_packed
        if answer.is_cut_short:
            decoded.failure = "upstream_truncated"


def _read_request(request: Mapping[str, Any], decoded: DecodedExchange) -> None:
    """Rows, features and what must not be told."""
    inputs: list[Any] | None = None
    if isinstance(request.get("messages"), list):
        inputs = [request["messages"]]
    else:
        asked = request.get("prompt", request.get("input"))
        if isinstance(asked, list) and "instructions" not in request and _are_several(asked):
            inputs = asked
        elif asked is not None:
            inputs = [asked]
    if inputs is None:
        decoded.lost = decoded.lost or "no_messages"
        return
    shared = {name: request[name] for name in _PARAMETERS if _is_plain(request.get(name))}
    if isinstance(request.get("tools"), list):
        shared["tools"] = len(request["tools"])
    decoded.names = ["parts", "characters", *shared]
    decoded.inputs = [[*_measure(row), *shared.values()] for row in inputs]


def _private(request: Mapping[str, Any]) -> list[str]:
    """What a person wrote, the longest first."""
    asked = [request.get(key) for key in ("messages", "prompt", "input", "instructions")]
    texts = {text for text in _texts(asked) if 3 <= len(text) <= _LONGEST_PRIVATE}
    return sorted(texts, key=len, reverse=True)


def _are_several(asked: list[Any]) -> bool:
    """Whether a list is one input an item: texts, or lists of tokens; not a list of messages."""
    return (
        bool(asked)
        and all(isinstance(a, str) for a in asked)
        or (bool(asked) and all(isinstance(a, list) for a in asked))
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, (int, float))


def _measure(row: Any) -> list[Value]:
    """How many parts (messages, tokens, texts) and characters an input has.

    >>> _measure("hello"), _measure([{"role": "user", "content": "hi"}])
    ([1, 5], [1, 2])
    """
    parts = len(row) if isinstance(row, list) else 1
    return [parts, sum(map(len, _texts(row)))]


def _texts(row: Any) -> Iterator[str]:
    """The texts of an input, wherever the API lets them stand."""
    todo = [row]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            todo.extend(part)
        elif isinstance(part, dict):
            todo.extend(part[key] for key in ("content", "text", "refusal") if key in part)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
