"""Recorded exchanges, and seeded mutations of their bodies."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

from producers.sidecar.exchange import Exchange, Headers, Message

CAPTURES = Path(__file__).parents[1] / "captures"

# What a config must say about the servers of the captures.
SIDECAR: dict[str, Any] = {
    "model": "configured",
    "routes": [
        {"path": "/classify", "inputs": "$.input_data", "outputs": "$"},
        {
            "path": "/classify_one",
            "inputs": "$.flower",
            "outputs": "$.label",
            "scores": "$.probabilities",
        },
        {"path": "/talk", "inputs": "$.prompt", "outputs": "$"},
        {
            "path": "/predict",
            "inputs": "$.features",
            "outputs": "$.label",
            "scores": "$.probabilities",
            "id": "$.id",
        },
        {"path": "/iris", "inputs": "$.rows", "outputs": "$.labels", "scores": "$.scores"},
    ],
}

_ODD = (None, True, 0, -1, 1e400, "x", "", [], {}, [[]], [{}], {"a": []}, [None], 10**30, "\ud800")


def captures() -> list[dict[str, Any]]:
    """All recorded exchanges of real servers."""
    return [json.loads(path.read_text()) for path in sorted(CAPTURES.glob("*/*.json"))]


def body_of(half: dict[str, Any]) -> bytes:
    """A body as it was on the wire."""
    if "body_base64" in half:
        return base64.b64decode(half["body_base64"])
    return (half.get("body") or "").encode()


def exchange_of(capture: dict[str, Any], asked: bytes, answered: bytes, status: int) -> Exchange:
    """The exchange of a capture with other bodies and another status."""
    request, response = capture["request"], capture["response"]
    exchange = Exchange(method=request["method"], target=request["path"], status=status)
    exchange.request = _message(request, asked)
    exchange.response = _message(response, answered)
    return exchange


def mutate(body: bytes, chance: random.Random) -> bytes:
    """The body with a few values of its JSON changed, or a few of its bytes."""
    if chance.random() < 0.6:
        try:
            return json.dumps(_mutate_value(json.loads(body), chance)).encode()
        except ValueError:
            pass  # no JSON: bytes then
    mutated = bytearray(body)
    for _ in range(chance.randint(0, 4)):
        if not mutated:
            break
        at, kind = chance.randrange(len(mutated)), chance.random()
        if kind < 0.4:
            mutated[at] = chance.randrange(256)
        elif kind < 0.7:
            del mutated[at : at + chance.randint(1, 20)]
        else:
            mutated[at:at] = mutated[max(0, at - 10) : at]
    return bytes(mutated)


def _mutate_value(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.08:
        return chance.choice(_ODD)
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if chance.random() > 0.05}
        return {
            key if chance.random() > 0.03 else key + "x": _mutate_value(item, chance)
            for key, item in kept.items()
        }
    if isinstance(value, list):
        return [_mutate_value(item, chance) for item in value if chance.random() > 0.05]
    return value


def _message(half: dict[str, Any], body: bytes) -> Message:
    headers: Headers = [(name.encode(), value.encode()) for name, value in half["headers"]]
    return Message(headers, [body], [1.0], len(body), complete=True)
