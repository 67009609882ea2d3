"""A resource sample: what the model server used."""

from __future__ import annotations

from dataclasses import dataclass

RESOURCE_METRICS = (
    "cpu_percent",
    "rss_bytes",
    "net_rx_bytes",
    "net_tx_bytes",
    "open_fds",
    "gpu_percent",
    "gpu_memory_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """CPU, memory, network and files of a model server at one moment; None where not measured."""

    model: str
    ts: int
    origin: str
    version: str = "unversioned"
    cpu_percent: float | None = None
    rss_bytes: float | None = None
    net_rx_bytes: float | None = None
    net_tx_bytes: float | None = None
    open_fds: float | None = None
    gpu_percent: float | None = None
    gpu_memory_bytes: float | None = None
