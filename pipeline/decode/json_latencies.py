"""Latency events, one JSON object each, to columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inferwatch.events.fields.measures import optional_measure, required_measure
from inferwatch.events.fields.names import model_name, version_name
from inferwatch.events.fields.timestamps import event_time
from inferwatch.events.json_event import Event
from pipeline.columns import LatencyRows
from pipeline.decode.column_values import doubles, encode_texts

FAILED_STATUS = 500


@dataclass(slots=True)
class JsonLatency:
    """One checked event."""

    model: str
    version: str
    ts: int
    latency_ms: float
    failed: bool
    ttft_ms: float
    tokens_out: float


def read_latency(event: Event, latest: int) -> JsonLatency:
    """Check one event; `latest` is the latest time that is not in the future.

    Raises:
        RejectedEventError: the first thing that is wrong.
    """
    get = event.get
    model, version = model_name(get("model")), version_name(get("version"))
    ts = event_time(get("ts"), latest)
    return JsonLatency(
        model,
        version,
        ts,
        required_measure("latency_ms", get("latency_ms")),
        get("error") is not None or optional_measure(get("status")) >= FAILED_STATUS,
        optional_measure(get("ttft_ms")),
        optional_measure(get("tokens_out")),
    )


def latency_rows(rows: Sequence[JsonLatency]) -> LatencyRows:
    """The columns of these events."""
    size = len(rows)
    model, models = encode_texts([row.model for row in rows])
    version, versions = encode_texts([row.version for row in rows])
    return LatencyRows(
        size=size,
        ts=np.fromiter([row.ts for row in rows], np.int64, size),
        model=model,
        models=models,
        version=version,
        versions=versions,
        latency_ms=doubles([row.latency_ms for row in rows]),
        failed=np.fromiter([row.failed for row in rows], np.bool_, size),
        ttft_ms=doubles([row.ttft_ms for row in rows]),
        tokens_out=doubles([row.tokens_out for row in rows]),
    )
