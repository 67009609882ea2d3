"""Window results and references made of arrays: real statistics of made data, no pipeline.

`reference_of` and `window_of` count with the worker's own column counters, so that rules and
diagnosis see what they will see in production. All randomness comes from the caller's generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferwatch.events.reference import (
    CategoricalReference,
    ColumnReference,
    NumericReference,
    ReferenceProfile,
)
from inferwatch.events.window import (
    ClassificationBlock,
    ClassQuality,
    FeatureBlock,
    LatencyBlock,
    ResourceBlock,
    WindowResult,
)
from inferwatch.settings.types import WindowSpec, parse_window
from pipeline.columns import Column
from pipeline.stats.column import ColumnCounter
from pipeline.stats.wilson import wilson

MINUTE = 60_000
START = 1_764_079_200_000
"""2025-11-25 14:00 UTC."""

Values = NDArray[Any]


@dataclass(frozen=True)
class MadeModel:
    """The settings of a model, as far as rules look at them."""

    name: str = "flight-delay"
    windows: tuple[WindowSpec, ...] = (parse_window("1m"),)
    expect: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def column_of(values: Values) -> Column:
    """Numbers (NaN is missing) or texts (None is missing) as a decoded column."""
    if values.dtype.kind in "fiu":
        numbers = values.astype(np.float64)
        here = ~np.isnan(numbers)
        return Column(len(values), numbers=numbers, is_number=None if here.all() else here)
    texts = tuple(sorted({v for v in values if v is not None}))
    where = {text: code for code, text in enumerate(texts)}
    codes = np.array([-1 if v is None else where[v] for v in values], np.int32)
    return Column(len(values), codes=codes, texts=texts)


def column_reference(values: Values) -> ColumnReference:
    """The reference of one column, with 256 quantile cells and edges between distinct values."""
    if values.dtype.kind not in "fiu":
        here = [v for v in values if v is not None]
        counts = {v: here.count(v) for v in sorted(set(here))}
        shares = {v: c / len(here) for v, c in counts.items()}
        missing = len(values) - len(here)
        return CategoricalReference(rows=len(values), missing=missing, shares=shares, counts=counts)
    numbers = values.astype(np.float64)
    known = np.sort(numbers[~np.isnan(numbers)])
    psi = _edges(known, 10)
    edges = sorted({*psi, *_edges(known, 256)})
    cells = np.histogram(known, [-np.inf, *np.nextafter(edges, np.inf), np.inf])[0]
    bins = np.histogram(known, [-np.inf, *np.nextafter(psi, np.inf), np.inf])[0]
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95], method="inverted_cdf")
    return NumericReference(
        rows=len(values),
        missing=len(values) - len(known),
        min=float(known[0]),
        max=float(known[-1]),
        mean=float(known.mean()),
        std=float(known.std()),
        p05=float(low),
        p50=float(middle),
        p95=float(high),
        psi_edges=tuple(psi),
        psi_shares=tuple((bins / bins.sum()).tolist()),
        cell_edges=tuple(edges),
        cell_counts=tuple(cells.tolist()),
    )


def _edges(known: Values, parts: int) -> list[float]:
    distinct = np.unique(known)
    at = known[[-(-i * len(known) // parts) - 1 for i in range(1, parts)]]
    above = [distinct[j] for j in np.searchsorted(distinct, at, "right") if j < len(distinct)]
    return sorted({float((a + b) / 2) for a, b in zip(at, above, strict=False)})


def reference_of(
    features: Mapping[str, Values],
    *,
    prediction: Values | None = None,
    performance: Mapping[str, float] | None = None,
    model: str = "flight-delay",
) -> ReferenceProfile:
    """A profile of these columns."""
    return ReferenceProfile(
        model=model,
        version=None,
        rows=len(next(iter(features.values()))),
        fingerprint="0123456789abcdef",
        created_at=START,
        features={name: column_reference(v) for name, v in features.items()},
        prediction=None if prediction is None else column_reference(prediction),
        performance=dict(performance or {}),
    )


def block_of(
    values: Values, reference: ColumnReference | None, *, as_output: bool = False
) -> FeatureBlock:
    """One column's block."""
    kind = None if reference is None else reference.type
    counter = ColumnCounter(kind, reference, max_categories=1000)
    counter.update(column_of(values))
    block = counter.result(as_output=as_output)
    assert block is not None
    return block


def quality_of(
    right: int, labelled: int, *, rows: int | None = None, positive: int | None = None
) -> ClassificationBlock:
    """Quality of a binary classifier: so many right; labels `late` (`positive` of them), `ok`."""
    wrong = labelled - right
    late = labelled // 4 if positive is None else positive
    wrong_late = min(wrong // 2, late)
    low, high = wilson(right, labelled) or (0.0, 1.0)
    confusion = {
        "late": {"late": late - wrong_late, "ok": wrong_late},
        "ok": {"late": wrong - wrong_late, "ok": labelled - late - (wrong - wrong_late)},
    }
    return ClassificationBlock(
        labelled=labelled,
        label_coverage=labelled / (rows or labelled),
        label_delay_p50_ms=10_000.0,
        label_delay_p95_ms=30_000.0,
        accuracy=right / labelled,
        accuracy_low=low,
        accuracy_high=high,
        precision=None,
        recall=None,
        f1=None,
        log_loss=None,
        brier=None,
        ece=None,
        roc_auc=None,
        confusion=confusion,
        per_class={"late": ClassQuality(precision=0.7, recall=0.7, f1=0.7, support=late)},
    )


def latency_of(
    *, count: int = 600, errors: int = 0, p95: float = 20.0, seconds: float = 60.0
) -> LatencyBlock:
    """Latencies around a 95th percentile."""
    return LatencyBlock(
        count=count,
        errors=errors,
        error_rate=errors / count if count else None,
        requests_per_s=count / seconds,
        mean_ms=p95 / 2,
        p50_ms=p95 / 2.5,
        p90_ms=p95 * 0.8,
        p95_ms=p95,
        p99_ms=p95 * 1.5,
        p999_ms=p95 * 2,
        max_ms=p95 * 3,
    )


def window_of(
    i: int,
    features: Mapping[str, Values] | None = None,
    *,
    reference: ReferenceProfile | None = None,
    prediction: Values | None = None,
    quality: ClassificationBlock | None = None,
    latency: LatencyBlock | None = None,
    resources: Mapping[str, float] | None = None,
    rows: int | None = None,
    model: str = "flight-delay",
    version: str = "unversioned",
    segment: str | None = None,
    window: str = "1m",
    lost: int = 0,
    revision: int = 0,
) -> WindowResult:
    """The i-th window since `START`."""
    spec = parse_window(window)
    known = reference.features if reference is not None else {}
    blocks = {name: block_of(v, known.get(name)) for name, v in (features or {}).items()}
    if rows is None:
        rows = len(next(iter(features.values()))) if features else 1000
    start = START + i * spec.slide
    output = None if reference is None else reference.prediction
    return WindowResult(
        model=model,
        version=version,
        segment=segment,
        window=spec.text,
        start=start,
        end=start + spec.size,
        revision=revision,
        final=True,
        rows=rows,
        late=0,
        duplicates=0,
        lost=lost,
        completeness=rows / (rows + lost) if rows + lost else None,
        reference=None if reference is None else reference.fingerprint,
        provisional=False,
        latency=latency,
        quality=quality,
        features=blocks or None,
        prediction=None if prediction is None else block_of(prediction, output, as_output=True),
        resources={k: ResourceBlock(mean=v, max=v) for k, v in (resources or {}).items()} or None,
    )
