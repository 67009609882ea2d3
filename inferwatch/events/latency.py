"""A latency event: one request, answered or failed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One request to a model server; failed and timed-out ones too.

    Attributes:
        latency_ms: from the first byte of the request to the last of the answer.
        status: the HTTP status, or its usual equivalent for gRPC; None when unknown.
        error: a short class (`upstream_5xx`, `timeout`), None when all was well.
        rows: predictions in the request.
        ttft_ms: time to the first byte (or token) of the answer.
    """

    model: str
    ts: int
    latency_ms: float
    version: str = "unversioned"
    status: int | None = None
    rows: int | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    error: str | None = None
    ttft_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    id: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it counts as an error: a status of 500 or more, or an error text.

        >>> Latency(model="m", ts=0, latency_ms=1.0, status=503).failed
        True
        """
        return self.error is not None or (self.status is not None and self.status >= 500)
