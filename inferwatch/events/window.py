"""A window result: everything that is known about one window of one model.

Blocks without data are absent; an undefined value inside a block is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA = "inferwatch.window/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyBlock:
    """Requests of the window: counts, rates (per second) and percentiles (milliseconds).

    Attributes:
        slow: requests slower than each limit that an objective of the config names, by the limit's
            text (`300ms`); None, and absent in JSON, where none does.
    """

    count: int
    errors: int
    error_rate: float | None
    requests_per_s: float
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    ttft_p95_ms: float | None = None
    tokens_per_s: float | None = None
    slow: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassQuality:
    """Quality of one class; an undefined ratio is null."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationBlock:
    """Quality of a classifier over the labelled rows of the window."""

    labelled: int
    label_coverage: float | None
    label_delay_p50_ms: float | None
    label_delay_p95_ms: float | None
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    log_loss: float | None
    brier: float | None
    ece: float | None
    roc_auc: float | None
    confusion: Mapping[str, Mapping[str, int]]
    per_class: Mapping[str, ClassQuality]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionBlock:
    """Errors of a regression over the labelled rows of the window."""

    labelled: int
    label_coverage: float | None
    label_delay_p50_ms: float | None
    label_delay_p95_ms: float | None
    mae: float | None
    rmse: float | None
    r2: float | None
    bias: float | None
    mape: float | None


QualityBlock = ClassificationBlock | RegressionBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedBlock:
    """Accuracy estimated without labels, with its interval.

    Attributes:
        error: the estimate less the accuracy by labels, where these have come.
        reason: why there is no estimate.
    """

    accuracy: float | None
    low: float | None
    high: float | None
    error: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How far a column lies from its reference, in standard scores: what detectors add up.

    Scores allow for the sampling error of both samples, and for how much the reference itself
    wanders; see `pipeline.stats.drift.DriftScores`.

    Attributes:
        rank: of the mean rank; positive when the window lies higher. 0 for categories.
        spread: of the ranks' distance from the middle; positive when wider. 0 for categories.
        shape: of the chi-square over the PSI bins or the commonest categories.
        effect: P(window > reference) - 1/2, ties half. 0 for categories.
    """

    rank: float
    spread: float
    shape: float
    effect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericBlock:
    """A numeric column; distances are null without a reference."""

    type: str = field(default="numeric", init=False)
    count: int
    missing: int
    non_finite: int
    type_mismatch: int
    out_of_range: int | None
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    p05: float | None
    p50: float | None
    p95: float | None
    ks: float | None
    ks_pvalue: float | None
    psi: float | None
    js: float | None
    wasserstein: float | None
    drift: bool | None
    deviation: Deviation | None = None
    entropy: float | None = None
    collapsed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalBlock:
    """A categorical column; distances are null without a reference."""

    type: str = field(default="categorical", init=False)
    count: int
    missing: int
    non_finite: int
    type_mismatch: int
    unseen: int | None
    over_limit: int
    psi: float | None
    chi2: float | None
    chi2_pvalue: float | None
    js: float | None
    drift: bool | None
    top: tuple[tuple[str, float], ...]
    deviation: Deviation | None = None
    entropy: float | None = None
    collapsed: bool | None = None


FeatureBlock = NumericBlock | CategoricalBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceBlock:
    """One resource metric of the window."""

    mean: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowResult:
    """One window of one model, version and segment.

    Attributes:
        segment: `key=value`, or None for the whole model.
        window: the config's own text, `1m` or `15m/1m`.
        start, end: milliseconds since the epoch; start <= ts < end.
        revision: never goes down; the highest one counts.
        lost, completeness: rows known to be missing; rows / (rows + lost).
        reference: fingerprint of the reference measured against, None without one.
    """

    model: str
    version: str
    segment: str | None
    window: str
    start: int
    end: int
    revision: int
    final: bool
    rows: int
    late: int
    duplicates: int
    lost: int
    completeness: float | None
    reference: str | None
    provisional: bool
    latency: LatencyBlock | None = None
    quality: QualityBlock | None = None
    estimated: EstimatedBlock | None = None
    features: Mapping[str, FeatureBlock] | None = None
    prediction: FeatureBlock | None = None
    scores: Mapping[str, FeatureBlock] | None = None
    resources: Mapping[str, ResourceBlock] | None = None
    schema: str = field(default=SCHEMA)
