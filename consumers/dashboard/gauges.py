"""`/metrics` of the dashboard: the last value of every model, firing incidents, and its own lag.

Segments are left out, they would be too many label sets; of each model and version every window is
there. Quality is the newest window's that had labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from consumers.dashboard.folder import Folder
from consumers.dashboard.head import Head
from consumers.metrics import Family

_QUANTILES = {"p50_ms": "0.5", "p90_ms": "0.9", "p95_ms": "0.95", "p99_ms": "0.99"}


def families(folder: Folder, now: int) -> Iterator[Family]:
    """All metrics; `now` is wall time in milliseconds."""
    heads = [h for h in folder.catalogue.heads() if h.series.segment is None]
    yield from _of_models(heads, now)
    yield _firing(folder)
    yield from _of_the_dashboard(folder)


def _of_models(heads: list[Head], now: int) -> Iterator[Family]:
    part = "inferwatch_dashboard"
    rows = Family(f"{part}_window_rows", "gauge", "Prediction rows of the newest window.")
    complete = Family(f"{part}_completeness_ratio", "gauge", "rows / (rows + lost).")
    age = Family(f"{part}_window_age_seconds", "gauge", "Time since the newest window's end.")
    quality = Family(f"{part}_quality_value", "gauge", "Quality by metric, newest with labels.")
    latency = Family(f"{part}_latency_seconds", "gauge", "Latency percentiles.")
    errors = Family(f"{part}_error_ratio", "gauge", "Failed requests / requests.")
    psi = Family(f"{part}_feature_psi", "gauge", "PSI of each feature against the reference.")
    for head in heads:
        s, values = head.series, head.values
        labels = {"model": s.model, "version": s.version, "window": s.window}
        rows.add(values.get("rows"), **labels)
        complete.add(values.get("completeness"), **labels)
        age.add((now - head.end) / 1000, **labels)
        quality.add(head.newest_quality, **labels, metric=head.quality or "")
        for name, quantile in _QUANTILES.items():
            ms = values.get(f"latency.{name}")
            latency.add(None if ms is None else ms / 1000, **labels, quantile=quantile)
        errors.add(values.get("latency.error_rate"), **labels)
        for name, value in values.items():
            if name.startswith("features.") and name.endswith(".psi"):
                psi.add(value, **labels, feature=name[len("features.") : -len(".psi")])
    yield from (rows, complete, age, quality, latency, errors, psi)


def _firing(folder: Folder) -> Family:
    firing = Family(
        "inferwatch_dashboard_firing_incidents", "gauge", "Incidents that go on, by model and kind."
    )
    counts = Counter(
        (i.alert.model, str(i.alert.severity), str(i.alert.kind)) for i in folder.incidents.firing()
    )
    for (model, severity, kind), count in counts.items():
        firing.add(count, model=model, severity=severity, kind=kind)
    if not counts:
        firing.add(0)
    return firing


def _of_the_dashboard(folder: Folder) -> Iterator[Family]:
    part = "inferwatch_dashboard"
    lag = Family(f"{part}_lag_records", "gauge", "Records not folded yet.")
    for (topic, number), records in sorted(folder.lag.items()):
        lag.add(records, topic=topic, partition=str(number))
    folded = Family(f"{part}_folded_records_total", "counter", "Records folded, by kind.")
    for kind, count in folder.folded.items():
        folded.add(count, kind=kind)
    skipped = Family(f"{part}_skipped_records_total", "counter", "Records that cannot be read.")
    for topic, count in folder.skipped.items():
        skipped.add(count, topic=topic)
    streams = Family(f"{part}_event_streams", "gauge", "Browsers that listen for events.")
    streams.add(folder.events.listeners)
    up = Family(f"{part}_connected", "gauge", "1 when Kafka and Redis answer, else 0.")
    up.add(int(folder.trouble is None))
    yield from (lag, folded, skipped, streams, up)
