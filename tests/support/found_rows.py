"""Kept predictions by hand, as a label finds them."""

import numpy as np

from pipeline.labels.kept import FoundPrediction, KeptRows
from pipeline.labels.shape import Shape


def found_prediction(
    identity, model, version, ts, text, number, scores, closed_until, segments=()
) -> FoundPrediction:
    """One kept prediction."""
    shape = Shape(
        model, version, text, number, closed_until, tuple(scores), len(segments), wide=False
    )
    rows = KeptRows(
        shape=shape,
        ids=[""],
        ts=np.array([ts]),
        offset=np.array([0]),
        row=np.array([0]),
        numbers=np.array([number]),
        scores=np.array([list(scores.values())], np.float64).reshape(1, -1),
        segments=np.arange(len(segments)).reshape(1, -1),
        segment_texts=segments,
    )
    return FoundPrediction(identity, ts, rows, 0)
