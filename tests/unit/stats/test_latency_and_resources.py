from __future__ import annotations

import numpy as np
import pytest

from pipeline.stats import LatencyCounter, ResourceCounter


@pytest.mark.parametrize(
    "values",
    [
        [500.0],
        list(np.arange(1.0, 101.0)),
        list(np.arange(1.0, 102.0)),
        [1.0] * 1000 + [1e7],
        [1.0, 2.0, 3.0],
        [0.0, 0.0, 1e-9, 5e8],
        list(np.random.default_rng(0).lognormal(3, 1, 20_000)),
    ],
)
def test_percentiles_of_few_and_many_requests(values: list[float]) -> None:
    latency = np.array(values)
    none = np.full(len(latency), np.nan)
    counter = LatencyCounter()
    counter.update(latency, latency > 1e6, none, none)
    block = counter.result(60_000)
    assert block is not None and block.count == len(values)
    assert block.errors == np.count_nonzero(latency > 1e6)
    assert block.max_ms == latency.max()
    assert block.mean_ms == pytest.approx(latency.mean(), rel=1e-12)
    for reported, percent in (
        (block.p50_ms, 50),
        (block.p90_ms, 90),
        (block.p95_ms, 95),
        (block.p99_ms, 99),
        (block.p999_ms, 99.9),
    ):
        true = float(np.percentile(latency, percent, method="inverted_cdf"))
        assert reported == pytest.approx(true, rel=0.01, abs=0)
    assert block.ttft_p95_ms is None and block.tokens_per_s is None


def test_slow_requests_are_counted_above_each_limit() -> None:
    latency = np.array([100.0, 299.0, 300.0, 301.0, 306.0, 400.0, 2000.0])
    none = np.full(len(latency), np.nan)
    counter = LatencyCounter()
    counter.update(latency, latency > 1e6, none, none)
    block, plain = counter.result(60_000, (300, 2000)), counter.result(60_000)
    assert block is not None and plain is not None
    # 301 is within 1.6 % of the limit: it shares its bucket.
    assert block.slow == {"300ms": 3, "2s": 0}
    assert plain.slow is None


def test_tokens_and_rates() -> None:
    counter = LatencyCounter()
    counter.update(
        np.array([5.0, 6.0]),
        np.array([False, False]),
        np.array([np.nan, 2.0]),
        np.array([120.0, np.nan]),
    )
    block = counter.result(60_000)
    assert block is not None
    assert block.tokens_per_s == 2.0 and block.requests_per_s == 2 / 60
    assert block.ttft_p95_ms == pytest.approx(2.0, rel=0.01)
    assert LatencyCounter().result(1000) is None


def test_merge_and_restore_equal_the_whole() -> None:
    rng = np.random.default_rng(1)
    whole, parts = LatencyCounter(), []
    for size in (3, 1000, 0, 17):
        rows = (
            rng.lognormal(3, 1, size),
            rng.random(size) < 0.1,
            rng.exponential(5, size),
            rng.integers(0, 99, size).astype(float),
        )
        whole.update(*rows)
        part = LatencyCounter()
        part.update(*rows)
        parts.append(LatencyCounter.restore(part.snapshot()))
    merged = LatencyCounter()
    for part in reversed(parts):
        merged.merge(part)
    assert merged.result(1000) == whole.result(1000)


def test_resources() -> None:
    counter = ResourceCounter()
    assert counter.result() is None
    counter.update({"cpu": np.array([np.nan]), "rss": np.array([1e9, 3e9])})
    other = ResourceCounter()
    other.update({"cpu": np.array([85.0]), "rss": np.array([np.nan])})
    counter.merge(ResourceCounter.restore(other.snapshot()))
    result = counter.result()
    assert result is not None
    assert {name: (b.mean, b.max) for name, b in result.items()} == {
        "cpu": (85.0, 85.0),
        "rss": (2e9, 3e9),
    }
