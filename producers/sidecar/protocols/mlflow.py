"""MLflow's scoring server: `POST /invocations`.

Exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`, or a CSV whose
first line names the columns; answered with `predictions`. Neither model nor version nor id stand
anywhere on the wire: the config names the first two.
"""

from __future__ import annotations

import re

from producers.sidecar.exchange import Exchange, Headers
from producers.sidecar.protocols.invocations import read_answer, read_request
from producers.sidecar.protocols.json_body import error_text
from producers.sidecar.protocols.protocol import Bodies, DecodedExchange, UndecodableError

_PATH = re.compile(r"(?:^|/)invocations/?$")


class MLflow:
    """Requests for predictions.

    >>> MLflow().matches("POST", "/invocations", []), MLflow().matches("GET", "/ping", [])
    (True, False)
    """

    name = "mlflow"
    reads_bodies = True
    is_inference = True

    def __init__(self, *, header: bool | None = True) -> None:
        """`header`: whether a CSV's first line names its columns; None where it may be either."""
        self._header = header

    def matches(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this is an invocation."""
        return method == "POST" and _PATH.search(path) is not None

    def target(self, path: str) -> tuple[str | None, str | None]:
        """The path names neither."""
        return None, None

    def decode(self, exchange: Exchange, bodies: Bodies) -> DecodedExchange:
        """The rows of both halves."""
        return decode_invocation(exchange, bodies, DecodedExchange(), header=self._header)


def decode_invocation(
    exchange: Exchange, bodies: Bodies, decoded: DecodedExchange, *, header: bool | None
) -> DecodedExchange:
    """Fill in what the two bodies say; a request that the server refused may be unreadable."""
    succeeded = exchange.status is not None and exchange.status < 300
    try:
        decoded.names, decoded.inputs = read_request(
            bodies.request, exchange.request.header(b"content-type"), header=header
        )
    except UndecodableError:
        if succeeded:
            raise
    if not succeeded:
        decoded.error = error_text(bodies.response)
    elif decoded.inputs is not None:
        decoded.outputs = read_answer(
            bodies.response, exchange.response.header(b"content-type"), len(decoded.inputs)
        )
    return decoded
