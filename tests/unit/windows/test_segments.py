"""Which segments a row belongs to is a matter of that row alone, not of its batch."""

import numpy as np
import pytest

from pipeline.columns import Column, PredictionRows
from pipeline.decode.column_values import column_of, text_column_of
from pipeline.windows.segments import segment_groups


def rows(segment, feature):
    size = len(feature.numbers) if isinstance(feature, Column) else len(feature)
    codes = np.zeros(size, np.int32)
    return PredictionRows(
        size=size,
        ts=np.arange(size),
        model=codes,
        models=("m",),
        version=codes,
        versions=("1",),
        prediction=column_of(["a"] * size),
        features={"region": feature if isinstance(feature, Column) else column_of(feature)},
        segments={} if segment is None else {"region": text_column_of(segment)},
    )


def groups(batch, at=None):
    at = np.arange(batch.size) if at is None else np.array(at)
    return {name: found.tolist() for name, found in segment_groups(batch, at, ["region"])}


def test_a_row_without_the_key_is_told_by_its_feature():
    segment, feature = ["eu", None, None, "us", None], ["x", "eu", "us", "eu", None]
    together = groups(rows(segment, feature))
    assert together == {"region=eu": [0, 1], "region=us": [2, 3]}
    alone: dict[str, list[int]] = {}
    for n, (mine, other) in enumerate(zip(segment, feature, strict=True)):
        for name in groups(rows([mine], [other])):
            alone.setdefault(name, []).append(n)
    assert alone == together


@pytest.mark.parametrize("feature", [["eu", "us", "eu"], [1, "us", 1.0]])
def test_a_feature_name_serves_as_a_key(feature):
    first = f"region={feature[0]}"
    assert groups(rows(None, feature)) == {first: [0, 2], "region=us": [1]}
    assert groups(rows(None, feature), at=[1, 2]) == {first: [2], "region=us": [1]}


def test_a_single_precision_number_has_its_own_shortest_text():
    feature = Column(2, numbers=np.array([0.1, 2.0], np.float32))
    assert groups(rows(None, feature)) == {"region=0.1": [0], "region=2": [1]}
