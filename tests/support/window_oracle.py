"""What a window must say, worked out by numpy, scipy and scikit-learn on its raw rows.

Nothing of the pipeline is used here: the raw rows are plain lists, and each field of a block has
its oracle. A field without one fails the comparison, so that no number goes unchecked; verdicts
(`drift`, `collapsed`), and the scores behind them (`deviation`), have tests of their own.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import sklearn.metrics as skm

VERDICTS = {"drift", "collapsed", "deviation"}
SLOW_MS = (20, 75)
"""The limits of requests that count as slow."""
LIGHT_TAILED = {"normal", "uniform", "ties", "mostly zero", "large", "tiny", "two spikes"}


def compare(block: Any, expected: dict[str, Any], where: str) -> None:
    """Each field of the block against its oracle: a value, or what pytest.approx made of it."""
    fields = {field.name for field in dataclasses.fields(block)} - VERDICTS
    assert fields == expected.keys(), f"{where}: {fields ^ expected.keys()} has no oracle"
    wrong = [
        f"{where}.{name}: {getattr(block, name)!r} is not {want!r}"
        for name, want in expected.items()
        if getattr(block, name) != want
    ]
    assert not wrong, "\n".join(wrong)


class Between:
    """Equal to every number of a closed interval."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and self.low <= other <= self.high

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"from {self.low} to {self.high}"


class WithinRank:
    """Equal to every number that is near enough to the true one by rank in the reference."""

    def __init__(self, true: float, sample: np.ndarray, gap: float) -> None:
        self.true, self.sample, self.gap = true, sample, gap

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, float)
        low, high = sorted((self.true, other))
        between = np.count_nonzero((self.sample > low) & (self.sample < high))
        return bool(between / len(self.sample) <= self.gap)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.true} within {self.gap} of rank"


def textbook_psi(p: np.ndarray, q: np.ndarray) -> float:
    p, q = np.maximum(p / p.sum(), 1e-4), np.maximum(q / q.sum(), 1e-4)
    return float(((q - p) * np.log(q / p)).sum())


def distance(p: np.ndarray, q: np.ndarray) -> Any:
    # scipy gives NaN where rounding makes the divergence of equal shares negative.
    exact = np.nan_to_num(scipy.spatial.distance.jensenshannon(p, q, base=2))
    return pytest.approx(float(exact), abs=1e-7)


def shares_of_bins(values: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    bounds = [-np.inf, *edges, np.inf]
    pairs = zip(bounds, bounds[1:], strict=False)
    return np.array([np.count_nonzero((values > a) & (values <= b)) for a, b in pairs])


def quantile(values: np.ndarray, percent: float) -> float:
    return float(np.percentile(values, percent, method="inverted_cdf"))


def numeric(
    name: str,
    values: Sequence[object],
    sample: np.ndarray | None = None,
    edges: Sequence[float] = (),
    entropy: bool = False,
) -> dict[str, Any]:
    """A numeric column.

    Args:
        name: of the distribution.
        values: a raw value a row; None is missing.
        sample: the usable rows of the reference.
        edges: the inner edges of its PSI bins.
        entropy: whether it is asked for (of a prediction).
    """
    numbers = np.array([v for v in values if isinstance(v, float)])
    finite = numbers[np.isfinite(numbers)]
    size = len(finite)
    nothing = dict.fromkeys(
        ("mean", "std", "min", "max", "p05", "p50", "p95", "ks", "ks_pvalue", "psi", "js",
         "wasserstein", "entropy", "out_of_range")
    )  # fmt: skip
    expected: dict[str, Any] = nothing | {
        "type": "numeric",
        "count": size,
        "missing": sum(v is None for v in values),
        "non_finite": len(numbers) - size,
        "type_mismatch": sum(not (v is None or isinstance(v, float)) for v in values),
    }
    if sample is not None:
        outside = (finite < sample.min()) | (finite > sample.max())
        expected["out_of_range"] = np.count_nonzero(outside)
    if entropy:
        bins = shares_of_bins(finite, edges)
        expected["entropy"] = pytest.approx(scipy.stats.entropy(bins, base=2), rel=1e-12)
    if not size:
        return expected
    mean = math.fsum(finite) / size
    std = float(np.std(finite.astype(np.longdouble)))
    expected |= {
        "mean": pytest.approx(mean, rel=1e-15, abs=0),
        # numpy's own rounding at 1e12 ± 0.1 is what is allowed for.
        "std": pytest.approx(std, rel=1e-7, abs=abs(mean) * 1e-16),
        "min": finite.min(),
        "max": finite.max(),
    }
    for field, percent in (("p05", 5), ("p50", 50), ("p95", 95)):
        true = quantile(finite, percent)
        if sample is not None and sample.min() <= true <= sample.max():
            expected[field] = WithinRank(true, sample, max(1 / 256, 1 / len(sample)))
        else:
            expected[field] = pytest.approx(true, rel=0.01, abs=0)
    if sample is None:
        return expected
    exact = scipy.stats.ks_2samp(finite, sample, method="asymp").statistic
    tolerance = max(1 / 256, 1 / len(sample))
    p, q = shares_of_bins(sample, edges), shares_of_bins(finite, edges)
    std = float(np.std(sample.astype(np.longdouble)))
    moved = Between(0.0, math.inf) if std else None
    if std and name in LIGHT_TAILED:
        apart = scipy.stats.wasserstein_distance(finite, sample) / std
        moved = pytest.approx(apart, rel=0.05, abs=0.02)
    return expected | {
        "ks": Between(exact - tolerance, exact + 1e-12),
        # The tail at the reported statistic: see `tail_of`.
        "ks_pvalue": Between(0.0, 1.0),
        "psi": pytest.approx(textbook_psi(p, q), abs=1e-9),
        "js": distance(p, q),
        "wasserstein": moved,
    }


def tail_of(statistic: float, rows: int, reference_rows: int) -> Any:
    """The p-value that belongs to a reported Kolmogorov-Smirnov statistic."""
    effective = round(rows * reference_rows / (rows + reference_rows))
    # The cubic terms that scipy leaves out in the middle below 200 rows.
    return pytest.approx(scipy.stats.kstwo.sf(statistic, effective), rel=1e-9, abs=1e-6)


def categorical(
    values: Sequence[str | None], sample: Sequence[str] | None, entropy: bool = False
) -> dict[str, Any]:
    """A categorical column of texts, where no category is over the limit."""
    texts = [v for v in values if v is not None]
    size = len(texts)
    counted = {text: texts.count(text) for text in sorted(set(texts))}
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:10]
    expected: dict[str, Any] = dict.fromkeys(
        ("psi", "js", "chi2", "chi2_pvalue", "unseen", "entropy")
    ) | {
        "type": "categorical",
        "count": size,
        "missing": len(values) - size,
        "non_finite": 0,
        "type_mismatch": 0,
        "over_limit": 0,
        "top": tuple((text, n / size) for text, n in ranked),
    }
    if entropy and size:
        shares = scipy.stats.entropy(list(counted.values()), base=2)
        expected["entropy"] = pytest.approx(shares, rel=1e-12, abs=1e-15)
    if sample is None:
        return expected
    known = sorted(set(sample))
    p = np.array([*(sample.count(text) for text in known), 0])
    q = np.array([*(counted.get(text, 0) for text in known), 0])
    q[-1] = size - q.sum()
    expected["unseen"] = q[-1]
    if not size:
        return expected
    table = np.stack([p, q])
    test = scipy.stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False)
    return expected | {
        "psi": pytest.approx(textbook_psi(p, q), abs=1e-9),
        "js": distance(p, q),
        "chi2": pytest.approx(test.statistic, rel=1e-9, abs=1e-9),
        "chi2_pvalue": pytest.approx(test.pvalue, rel=1e-8, abs=1e-300),
    }


def latency(
    values: np.ndarray, failed: np.ndarray, ttft: np.ndarray, tokens: np.ndarray, seconds: float
) -> dict[str, Any]:
    """The requests of a window of so many seconds; NaN where a number is absent."""
    expected = {
        "count": len(values),
        "errors": np.count_nonzero(failed),
        "error_rate": np.mean(failed),
        "requests_per_s": len(values) / seconds,
        "mean_ms": pytest.approx(math.fsum(values) / len(values), rel=1e-15),
        "max_ms": values.max(),
        "ttft_p95_ms": None,
        "tokens_per_s": None,
        "slow": {
            f"{limit}ms": Between(np.sum(values > 1.016 * limit), np.sum(values > limit))
            for limit in SLOW_MS
        },
    }
    percents = {"p50_ms": 50, "p90_ms": 90, "p95_ms": 95, "p99_ms": 99, "p999_ms": 99.9}
    for field, percent in percents.items():
        expected[field] = pytest.approx(quantile(values, percent), rel=0.01, abs=0)
    if np.isfinite(ttft).any():
        expected["ttft_p95_ms"] = pytest.approx(quantile(ttft[np.isfinite(ttft)], 95), rel=0.01)
    if np.isfinite(tokens).any():
        expected["tokens_per_s"] = pytest.approx(np.nansum(tokens) / seconds, rel=1e-12)
    return expected


def classification(
    actual: Sequence[str],
    predicted: Sequence[str],
    scores: dict[str, np.ndarray],
    delay_ms: np.ndarray,
    rows: int,
    positive: str | None,
) -> dict[str, Any]:
    """The quality of a classifier that sends a score for each class."""
    classes = sorted(scores)
    size = len(actual)
    truth, answer = np.array(actual), np.array(predicted)
    right = truth == answer
    per_class = skm.precision_recall_fscore_support(
        actual, predicted, labels=classes, zero_division=np.nan
    )
    named = np.nan_to_num(np.array(per_class[:3])).mean(axis=1)
    matrix = np.stack([scores[name] for name in classes], axis=1)
    targets = truth[:, None] == np.array(classes)[None, :]
    own = np.clip(matrix[targets], 2.2e-16, 1 - 2.2e-16)
    brier = np.square(matrix - targets).sum(axis=1).mean()
    columns = range(len(classes))
    if positive is not None:
        place = classes.index(positive)
        named = np.array([part[place] for part in per_class[:3]])
        brier = np.square(matrix[:, place] - targets[:, place]).mean()
        columns = range(place, place + 1)
    both = [i for i in columns if 0 < targets[:, i].sum() < size]
    areas = [skm.roc_auc_score(targets[:, i], matrix[:, i]) for i in both]
    interval = scipy.stats.binomtest(int(right.sum()), size).proportion_ci(method="wilson")
    counts = skm.confusion_matrix(actual, predicted, labels=classes)
    return {
        "labelled": size,
        "label_coverage": size / rows,
        "label_delay_p50_ms": pytest.approx(quantile(delay_ms, 50), rel=0.01),
        "label_delay_p95_ms": pytest.approx(quantile(delay_ms, 95), rel=0.01),
        "accuracy": skm.accuracy_score(actual, predicted),
        "accuracy_low": pytest.approx(interval.low, abs=1e-12),
        "accuracy_high": pytest.approx(interval.high, abs=1e-12),
        **{
            field: pytest.approx(value, rel=1e-12) if not math.isnan(value) else None
            for field, value in zip(("precision", "recall", "f1"), named, strict=True)
        },
        "log_loss": pytest.approx(float(-np.log(own).mean()), rel=1e-9),
        "brier": pytest.approx(brier, rel=1e-9),
        "ece": pytest.approx(_ece(matrix, answer, classes, right), abs=1e-8),
        "roc_auc": pytest.approx(float(np.mean(areas)), abs=0.002) if areas else None,
        "confusion": {
            a: {p: n for p, n in zip(classes, row, strict=True) if n}
            for a, row in zip(classes, counts.tolist(), strict=True)
            if any(row)
        },
        "per_class": _PerClass(dict(zip(classes, np.array(per_class).T, strict=True))),
    }


def _ece(
    matrix: np.ndarray, answer: np.ndarray, classes: Sequence[str], right: np.ndarray
) -> float:
    confidence = matrix[answer[:, None] == np.array(classes)[None, :]]
    error = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


class _PerClass:
    """Equal to the qualities by class that scikit-learn gives."""

    def __init__(self, by_class: dict[str, np.ndarray]) -> None:
        self.by_class = by_class

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, dict)
        return other.keys() == self.by_class.keys() and all(
            [other[name].precision, other[name].recall, other[name].f1, other[name].support]
            == [None if math.isnan(v) else pytest.approx(v, rel=1e-12) for v in values]
            for name, values in self.by_class.items()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.by_class)


def regression(
    actual: np.ndarray, predicted: np.ndarray, delay_ms: np.ndarray, rows: int
) -> dict[str, Any]:
    """The errors of a regression."""
    error = predicted - actual
    here = actual != 0
    percent = skm.mean_absolute_percentage_error(actual[here], predicted[here])
    return {
        "labelled": len(actual),
        "label_coverage": len(actual) / rows,
        "label_delay_p50_ms": pytest.approx(quantile(delay_ms, 50), rel=0.01),
        "label_delay_p95_ms": pytest.approx(quantile(delay_ms, 95), rel=0.01),
        "mae": pytest.approx(skm.mean_absolute_error(actual, predicted), rel=1e-12),
        "rmse": pytest.approx(skm.root_mean_squared_error(actual, predicted), rel=1e-12),
        "r2": pytest.approx(skm.r2_score(actual, predicted), rel=1e-9),
        "bias": pytest.approx(math.fsum(error) / len(error), rel=1e-9, abs=1e-12),
        "mape": pytest.approx(percent, rel=1e-9),
    }
