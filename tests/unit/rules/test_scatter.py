"""The stream's own scatter: 1 where chance would do, large where the data wanders."""

import numpy as np

from pipeline.rules.scatter import WARM_UP, Scatter


def of(scores):
    scatter = Scatter()
    for score in scores:
        scatter = scatter.after(float(score))
    return scatter


def test_chance_alone_is_hardly_ever_taken_for_wander():
    rng = np.random.default_rng(1)
    phis = [of(rng.normal(size=200)).phi for _ in range(100)]
    assert np.quantile(phis, 0.9) <= 1.05 and max(phis) < 1.25


def test_wander_is_measured():
    rng = np.random.default_rng(2)
    assert 2.4 < of(3 * rng.normal(size=300)).phi < 3.3


def test_nothing_is_known_before_the_warm_up():
    assert of([50.0, -50.0] * (WARM_UP // 2 - 1)).phi == 1.0


def test_one_wild_window_moves_it_little():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=200)
    assert of([*scores, 1e6]).phi < of(scores).phi + 0.1


def test_a_level_that_is_always_there_is_known():
    rng = np.random.default_rng(4)
    assert 3.5 < of(4 + rng.normal(size=200)).level < 4.5
    assert of(-4 + rng.normal(size=200)).level == 0.0
