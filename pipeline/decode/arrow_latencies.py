"""A columnar batch of latencies to columns."""

from __future__ import annotations

import numpy as np

from inferwatch.events.fields.names import model_name, version_name
from pipeline.columns import Ints, LatencyRows, Mask
from pipeline.decode.arrow_column import validity
from pipeline.decode.arrow_fields import Fields
from pipeline.decode.arrow_measures import measures, required_measures
from pipeline.decode.arrow_scalars import names, numbers_of_rows, times
from pipeline.decode.faults import Faults
from pipeline.decode.json_latencies import FAILED_STATUS


def latency_rows(fields: Fields, latest: Ints, faults: Faults) -> LatencyRows:
    """The columns of all rows, bad ones too; these are noted in `faults`."""
    plain, constants, size = fields.plain, fields.constants, fields.size
    model, models = names(plain.get("model"), constants.get("model"), size, model_name, faults)
    version, versions = names(
        plain.get("version"), constants.get("version"), size, version_name, faults
    )
    ts = times(plain.get("ts"), latest, faults)
    latency_ms = required_measures("latency_ms", plain.get("latency_ms"), size, faults)
    failed: Mask = measures(plain.get("status"), size) >= FAILED_STATUS
    error = plain.get("error")
    if error is not None:
        present = validity(error)
        failed |= np.ones(size, np.bool_) if present is None else present
    return LatencyRows(
        size=size,
        ts=ts,
        model=model,
        models=models,
        version=version,
        versions=versions,
        latency_ms=latency_ms,
        failed=failed,
        ttft_ms=measures(plain.get("ttft_ms"), size),
        tokens_out=measures(plain.get("tokens_out"), size),
        seq=numbers_of_rows(plain.get("seq")),
    )
