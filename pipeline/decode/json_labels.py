"""Label events, one JSON object each, to columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inferwatch.errors import RejectedEventError
from inferwatch.events.fields.answers import label_number, label_text
from inferwatch.events.fields.ids import event_id
from inferwatch.events.fields.timestamps import event_time
from inferwatch.events.json_event import Event
from pipeline.columns import LabelRows
from pipeline.decode.column_values import doubles


@dataclass(slots=True)
class JsonLabel:
    """One checked label."""

    id: str
    ts: int
    text: str


def read_label(event: Event, latest: int) -> JsonLabel:
    """Check one label; `latest` is the latest time that is not in the future.

    Raises:
        RejectedEventError: the first thing that is wrong; without an id or a label it is
            `malformed`.
    """
    get = event.get
    ts = event_time(get("ts"), latest)
    return JsonLabel(required_id(get("id")), ts, label_text(get("label")))


def required_id(value: object) -> str:
    """The id of a label, which joins nothing without one."""
    found = event_id(value)
    if found is None:
        raise RejectedEventError("malformed", "id", "a label without an id joins nothing")
    return found


def label_rows(rows: Sequence[JsonLabel]) -> LabelRows:
    """The columns of these labels."""
    size = len(rows)
    return LabelRows(
        size=size,
        ts=np.fromiter([row.ts for row in rows], np.int64, size),
        ids=tuple([row.id for row in rows]),
        texts=tuple([row.text for row in rows]),
        numbers=doubles([label_number(row.text) for row in rows]),
    )
