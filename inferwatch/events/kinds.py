"""The four kinds of input event, and the headers that every input record may carry."""

from __future__ import annotations

from enum import StrEnum

CONTENT_TYPE = "content-type"
ORIGIN = "origin"
SEQ = "seq"
SPARSE = "sparse"
REDRIVEN_ORIGIN = "redriven-origin"
REDRIVEN_SEQ = "redriven-seq"

JSON = "application/json"
CLOUDEVENTS_JSON = "application/cloudevents+json"
ARROW_STREAM = "application/vnd.apache.arrow.stream"

MAX_BATCH_ROWS = 65_536


class Kind(StrEnum):
    """What an input topic carries."""

    PREDICTION = "prediction"
    LATENCY = "latency"
    RESOURCE = "resource"
    LABEL = "label"
