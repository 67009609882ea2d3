from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstwo

from pipeline.stats.ks_tail import ks_tail


@pytest.mark.parametrize("size", [1, 2, 30, 140, 141, 400, 1_000, 5_000, 5_001, 9_000])
def test_against_scipy(size: int) -> None:
    z = np.array([0.05, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2, 1.4, 1.47, 1.49, 1.6, 2.0, 4.0, 10.0])
    for distance in np.minimum(z / np.sqrt(size), 1.0):
        exact = float(kstwo.sf(distance, size))
        tolerance = 2e-6 if size < 1_000 else 1e-9
        assert ks_tail(float(distance), size) == pytest.approx(exact, rel=tolerance, abs=1e-200)


def test_ends() -> None:
    assert ks_tail(0.0, 1_000) == 1.0 and ks_tail(1.0, 1_000) == 0.0
    assert ks_tail(1e-9, 10**7) == 1.0
    assert 0 < ks_tail(0.003, 10**6) < 1e-7
