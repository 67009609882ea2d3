"""Vitals: how much was watched of late, counted from `monitoring.windows`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from inferwatch import topics
from inferwatch.settings import Settings
from inferwatch.topic_reader import read_to_end

# Of each partition, the latest windows that are looked at: a second's work, however many there are.
LATEST = 20_000


@dataclass(frozen=True, slots=True)
class Vitals:
    """What was watched in a time.

    Attributes:
        models: how many models had a window.
        windows: how many windows were judged.
        least: the least completeness of a window, and whose; None without rows.
        oldest: the model whose windows reach least far, and how far (ms since the epoch).
    """

    models: int = 0
    windows: int = 0
    least: tuple[float, str] | None = None
    oldest: tuple[int, str] | None = None


def read_vitals(settings: Settings, since: int) -> Vitals:
    """Count the windows that were published since a time (ms since the epoch).

    Raises:
        ServiceUnreachableError: Kafka does not answer.
    """
    name = topics.WINDOWS.full_name(settings.topics.prefix)
    records = read_to_end(settings, name, since=since, latest=LATEST)
    return vitals_of(record.value for record in records)


def vitals_of(values: Iterable[bytes | None]) -> Vitals:
    """The vitals of window results; what is none is passed over, a revision counts once.

    >>> text = b'{"model":"fraud","version":"7","segment":null,"window":"1m","start":0,'
    >>> vitals_of([text + b'"end":60000,"completeness":0.5}', b"no window"])
    Vitals(models=1, windows=1, least=(0.5, 'fraud'), oldest=(60000, 'fraud'))
    """
    seen: set[tuple[Any, ...]] = set()
    ends: dict[str, int] = {}
    least: dict[tuple[Any, ...], tuple[float, str]] = {}
    for value in values:
        try:
            window = orjson.loads(value or b"")
            key = tuple(window[k] for k in ("model", "version", "segment", "window", "start"))
            model, end = str(window["model"]), int(window["end"])
            seen.add(key)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            continue
        ends[model] = max(ends.get(model, end), end)
        completeness = window.get("completeness")
        if isinstance(completeness, (int, float)):
            # The latest revision counts: what seemed lost may have come.
            least[key] = (float(completeness), model)
    return Vitals(
        models=len(ends),
        windows=len(seen),
        least=min(least.values(), default=None),
        oldest=min(((end, model) for model, end in ends.items()), default=None),
    )
