"""The interval of the difference of two shares: it holds the truth as often as it says."""

import numpy as np
import pytest

from pipeline.stats.newcombe import difference


@pytest.mark.parametrize(
    # Newcombe 1998, table II, method 10: (a), (b), (d), (g).
    ("mine", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_it_is_the_one_of_the_paper(mine, other, low, high):
    found = difference(mine[0] / mine[1], mine[1], other[0] / other[1], other[1])
    assert found == pytest.approx((low, high), abs=6e-5)


def test_without_rows_there_is_none():
    assert difference(0.5, 0, 0.5, 10) is difference(0.5, 10, 0.5, 0) is None


@pytest.mark.parametrize(("p", "q", "n", "m"), [(0.9, 0.85, 150, 2_000), (0.99, 0.97, 100, 100)])
def test_it_holds_the_truth_19_times_of_20(p, q, n, m):
    rng = np.random.default_rng(7)
    held = 0
    for mine, other in zip(rng.binomial(n, p, 2_000), rng.binomial(m, q, 2_000), strict=True):
        low, high = difference(mine / n, n, other / m, m)
        held += low <= p - q <= high
    assert 0.93 <= held / 2_000 <= 0.99
