"""One request and its answer, as copied from the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from producers.sidecar.protocols.protocol import WireProtocol

Headers = list[tuple[bytes, bytes]]


def header(headers: Headers, name: bytes) -> str | None:
    """The first header of that name (given in lower case), None when there is none.

    >>> header([(b"Content-Type", b"text/csv")], b"content-type")
    'text/csv'
    """
    for key, value in headers:
        if len(key) == len(name) and key.lower() == name:
            return value.decode("latin-1").strip()
    return None


@dataclass(slots=True)
class Message:
    """One half of an exchange.

    Attributes:
        body: the pieces that were kept, still content-encoded, free of chunk framing.
        arrivals: monotonic seconds at which each of these pieces came.
        size: bytes of the whole body, also of what was not kept.
        kept: bytes that `body` holds of the budget.
        ends_after: of a stream that is too long to keep, how many pieces of its beginning are kept;
            the others are its end. None while everything is kept.
        cut: why the copy is not whole (`oversized`, `queue_full`, `not_read`), None when it is.
        started, ended: monotonic seconds of its first and last byte.
        first_body: monotonic seconds of its first body byte.
        complete: whether its last byte was seen.
    """

    headers: Headers = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    size: int = 0
    kept: int = 0
    ends_after: int | None = None
    cut: str | None = None
    started: float = 0.0
    ended: float = 0.0
    first_body: float | None = None
    complete: bool = False
    _by_name: dict[bytes, bytes] | None = None

    def add_headers(self, headers: Headers) -> None:
        """Add what came later: trailers."""
        self.headers = [*self.headers, *headers]
        self._by_name = None

    def arrived_at(self, offset: int) -> float | None:
        """When the byte before that offset of the body came, None where it was not kept.

        >>> Message(body=[b"ab", b"c"], arrivals=[1.0, 2.0]).arrived_at(3)
        2.0
        """
        for piece, arrival in zip(self.body, self.arrivals, strict=True):
            offset -= len(piece)
            if offset <= 0:
                return arrival
        return None

    def header(self, name: bytes) -> str | None:
        """The first header of that name (given in lower case), None when there is none.

        The names are looked through once; so ask only when the head is whole.
        """
        if self._by_name is None:
            self._by_name = {key.lower(): value for key, value in reversed(self.headers)}
        value = self._by_name.get(name)
        return None if value is None else value.decode("latin-1").strip()


@dataclass(slots=True)
class Exchange:
    """A request and its answer; the only writer is the connection's tap, until it is handed over.

    Attributes:
        method: empty where no request was sent: a caller of the SDK told of its work.
        target: path and query, as sent.
        status: of the final answer; 502, 504 and 499 where there was none.
        error: short class of a failure on the way, None when the answer came whole.
        ended_at: milliseconds since the epoch, when the exchange was over.
        minted: the id that the answer's X-Inference-Id carries, None without.
        protocol: what understands this exchange; None where nothing is to be learned from it.
    """

    method: str = ""
    target: str = ""
    request: Message = field(default_factory=Message)
    response: Message = field(default_factory=Message)
    status: int | None = None
    error: str | None = None
    ended: float = 0.0
    ended_at: int = 0
    minted: str | None = None
    protocol: WireProtocol | None = None

    @property
    def path(self) -> str:
        """The path without the query.

        >>> Exchange(target="/v2/models/m/infer?x=1").path
        '/v2/models/m/infer'
        """
        target = self.target
        if not target.startswith("/") and "://" in target:
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        return target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands after the question mark."""
        return self.target.partition("?")[2]

    @property
    def latency_ms(self) -> float:
        """From the first byte of the request to the last of the answer."""
        return max(0.0, (self.ended - self.request.started) * 1000.0)

    @property
    def held(self) -> int:
        """Bytes of the budget that this exchange holds."""
        return self.request.kept + self.response.kept
