"""One exchange through the decoder that takes it for its own, without a socket."""

from __future__ import annotations

from typing import Any

from inferwatch.settings.sidecar import SidecarSettings
from producers.sidecar.exchange import Exchange, Message
from producers.sidecar.protocols.protocol import Bodies
from producers.sidecar.protocols.recognise import recogniser


def decode(
    method: str,
    path: str,
    asked: bytes,
    answered: bytes,
    *answer_headers: str,
    headers: tuple[str, ...] = (),
    status: int = 200,
    **sidecar: Any,
) -> Any:
    """What the exchange says; `sidecar` is the config's section."""
    exchange = Exchange(method=method, target=path, status=status)
    exchange.request = _message(asked, headers)
    exchange.response = _message(answered, answer_headers)
    recognise = recogniser(SidecarSettings.model_validate(sidecar))
    protocol = recognise(exchange)
    assert protocol is not None, f"nothing reads {method} {path}"
    return protocol.decode(exchange, Bodies(asked, answered))


def _message(body: bytes, headers: tuple[str, ...]) -> Message:
    named = [line.partition(": ") for line in headers]
    return Message(
        headers=[(name.encode(), value.encode()) for name, _, value in named],
        body=[body],
        arrivals=[1.0],
        size=len(body),
        complete=True,
    )
