"""What an OpenAI-compatible answer says, gathered piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from producers.sidecar.protocols.json_body import read_json, text_id
from producers.sidecar.protocols.protocol import UndecodableError, Value

_DONE = b"[DONE]"
# The events that end a stream of the Responses API.
_ENDINGS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
# Where a delta holds content.
_CONTENT = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call")
_CONTENT_OF_CHOICE = ("text", "audio")


class Answer:
    """Counts, ids and endings; never a text.

    >>> answer = Answer()
    >>> answer.take_data(b'{"choices": [{"delta": {"role": "assistant", "content": ""}}]}')
    False
    >>> answer.take_data(b'{"choices": [{"delta": {"content": "Hi"}}]}')
    True
    >>> answer.is_cut_short
    True
    """

    def __init__(self) -> None:
        """Nothing has come yet."""
        self.model: str | None = None
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None
        self.error: str | None = None
        self._ids: set[str] = set()
        self._endings: dict[int, Value] = {}
        self._is_done = False

    @property
    def id(self) -> str | None:
        """The answer's id; some servers give every piece of a stream another one: then none."""
        return next(iter(self._ids)) if len(self._ids) == 1 else None

    @property
    def is_cut_short(self) -> bool:
        """Whether a stream stopped before it said why it ends."""
        return not self._is_done and not self._endings

    def endings(self, rows: int) -> list[Value]:
        """How each row ended; of several choices for one row the first."""
        return [self._endings.get(row, "unknown") for row in range(rows)]

    def take_data(self, data: bytes) -> bool:
        """Take the data of one event of a stream; whether it brought content."""
        if data.strip() == _DONE:
            self._is_done = True
            return False
        try:
            piece = read_json(data)
        except UndecodableError:
            return False  # cut in the middle, or a keep-alive of its own kind
        return isinstance(piece, dict) and self.take(piece)

    def take(self, piece: Mapping[str, Any]) -> bool:
        """Take a whole answer, or a piece of a stream; whether it brought content."""
        kind = piece.get("type")
        response = piece.get("response")
        if isinstance(response, dict):
            self.take(response)  # an event of the Responses API holds the state so far
        elif piece.get("object") == "response":
            self._take_status(piece)
        if kind in _ENDINGS:
            self._is_done = True
        self._take_error(piece, kind)
        self.model = self.model or _text(piece.get("model"))
        if "choices" in piece or "data" in piece or "output" in piece:
            found = text_id(piece.get("id"))
            if found is not None:
                self._ids.add(found)
        self._take_usage(piece.get("usage"))
        self._take_embeddings(piece.get("data"))
        has_delta = isinstance(kind, str) and kind.endswith(".delta") and bool(piece.get("delta"))
        return self._take_choices(piece.get("choices")) or has_delta

    def _take_status(self, response: Mapping[str, Any]) -> None:
        status = response.get("status")
        if isinstance(status, str) and status not in ("in_progress", "queued"):
            self._endings[0] = status

    def _take_error(self, piece: Mapping[str, Any], kind: Any) -> None:
        error = piece.get("error")
        if not error and kind == "error":
            error = piece
        if not error or self.error is not None:
            return
        told = error
        if isinstance(error, dict):
            told = next((error[k] for k in ("message", "type", "code") if error.get(k)), "")
        self.error = told if isinstance(told, str) else str(told)[:200]

    def _take_usage(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        for name, keys in (
            ("tokens_in", ("prompt_tokens", "input_tokens")),
            ("tokens_out", ("completion_tokens", "output_tokens")),
        ):
            count = next((usage[key] for key in keys if type(usage.get(key)) is int), None)
            if count is not None and count >= 0:
                setattr(self, name, count)

    def _take_choices(self, choices: Any) -> bool:
        brought = False
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            reason = _text(choice.get("finish_reason"))
            if reason is not None:
                self._endings[index if type(index) is int else place] = reason
            delta = choice.get("delta")
            if isinstance(delta, dict):
                brought |= any(delta.get(key) for key in _CONTENT)
            brought |= any(choice.get(key) for key in _CONTENT_OF_CHOICE)
        return brought

    def _take_embeddings(self, data: Any) -> None:
        for place, row in enumerate(data if isinstance(data, list) else ()):
            if isinstance(row, dict) and "embedding" in row:
                index = row.get("index")
                self._endings[index if type(index) is int else place] = _dimensions(
                    row["embedding"]
                )


def _dimensions(embedding: Any) -> Value:
    """The length of a vector, written as a list or as base64 of 32-bit floats.

    >>> _dimensions([0.1, 0.2]), _dimensions("AACAPwAAAEA=")
    (2, 2)
    """
    if isinstance(embedding, list):
        return len(embedding)
    if isinstance(embedding, str):
        return (len(embedding) * 3 // 4 - embedding.count("=", -2)) // 4
    return "unknown"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
