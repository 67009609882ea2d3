"""Only one segment is bad: one client, region or carrier, not the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inferwatch.events.alert import AlertKind, Evidence, Suggestion
from pipeline.diagnosis.view import Examined, Levels, Neighbour, View, examined
from pipeline.diagnosis.wording import number, percent

MOST = 0.7
"""The share of the change that one segment must hold."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment's part in the change.

    Attributes:
        share: of the change; rows: of the rows.
    """

    segment: str
    metric: str
    share: float
    rows: float
    before: float
    after: float


def examine(view: View) -> Examined | None:
    """The segment that holds most of the change while it holds far fewer of the rows."""
    found = [p for metric in _metrics(view) for p in _parts(view, metric)]
    found = [p for p in found if p.share >= MOST and p.rows <= 0.6 * p.share]
    if not found:
        return None
    first = max(found, key=lambda p: (p.share - p.rows, p.segment, p.metric))
    return examined(
        "one_segment",
        min(0.95, 0.45 + 0.6 * (first.share - first.rows)),
        f"{percent(first.share)} of the change comes from {first.segment}, which has only "
        f"{percent(first.rows)} of the rows",
        evidence=(
            Evidence(
                text=f"{first.segment}: {first.metric} {number(first.before)} became "
                f"{number(first.after)}",
                metric=first.metric,
                before=first.before,
                after=first.after,
                share=first.share,
            ),
        ),
        suggestions=(
            Suggestion(
                text=f"Look at {first.segment} alone: what did that client, region or source "
                "release? The other segments are as usual, so the model itself is not the fault.",
            ),
        ),
    )


def _metrics(view: View) -> list[str]:
    if view.kind is AlertKind.QUALITY:
        return ["quality.accuracy", "quality.mae", "quality.rmse"]
    # Levels hold one distance a feature and its missing rate.
    known: list[str] = []
    for found in view.findings[:3]:
        stem, _, key = found.metric.rpartition(".")
        keys = ("missing_rate",) if key == "missing_rate" else ("ks", "psi")
        known += [f"{stem}.{k}" for k in keys]
    return known


def _parts(view: View, metric: str) -> Iterator[Part]:
    counted = "quality.labelled" if view.kind is AlertKind.QUALITY else "rows"
    by_key: dict[str, list[tuple[str, Neighbour]]] = {}
    for segment, neighbour in view.segments.items():
        by_key.setdefault(segment.partition("=")[0], []).append((segment, neighbour))
    for neighbours in by_key.values():
        rows = sum(n.now.get(counted, 0.0) for _, n in neighbours)
        harm = {s: _harm(n.before, n.now, metric, counted) for s, n in neighbours}
        total = sum(harm.values())
        if len(neighbours) < 2 or rows <= 0 or total <= 0:
            continue
        for segment, neighbour in neighbours:
            now = neighbour.now
            if metric in now and harm[segment] > 0:
                before = neighbour.before.get(metric, 0.0)
                share = now.get(counted, 0.0) / rows
                yield Part(segment, metric, harm[segment] / total, share, before, now[metric])


def _harm(before: Levels, now: Levels, metric: str, counted: str) -> float:
    """By how much a segment got worse, times its rows."""
    # A distance without a past began at 0; a quality without a past proves nothing.
    usual = before.get(metric, 0.0 if metric.startswith("features.") else None)
    if metric not in now or usual is None:
        return 0.0
    change = now[metric] - usual
    worse = -change if metric == "quality.accuracy" else change
    return max(0.0, worse) * now.get(counted, 0.0)
