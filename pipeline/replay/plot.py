"""One measure over time as an inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.replay.wording import moment

WIDTH, HEIGHT = 960, 150
LEFT, RIGHT, TOP, BOTTOM = 60, 10, 8, 22
MAX_POINTS = 1_500
"""Past these, only the lowest and the highest of neighbours are drawn: spikes stay."""


@dataclass(frozen=True, slots=True)
class Line:
    """Points by time (ms); None is a gap."""

    points: Sequence[tuple[int, float | None]]


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time that is shaded: `page`, `ticket` or `known`; one without end goes on."""

    kind: str
    start: int
    end: int | None


def plot(line: Line, bands: Sequence[Band]) -> str:
    """The plot; a value that no other has stands as a dot."""
    known = [(at, value) for at, value in line.points if value is not None]
    first, last = known[0][0], max(known[-1][0], known[0][0] + 1)
    low = min(0.0, *(value for _, value in known))
    high = max(value for _, value in known)
    high = high if high > low else low + 1

    def x(at: int) -> float:
        share = (min(max(at, first), last) - first) / (last - first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    for band in bands:
        end = last if band.end is None else band.end
        if end >= first and band.start <= last:
            left, width = x(band.start), max(x(end) - x(band.start), 1.5)
            base, tall = (HEIGHT - BOTTOM - 5, 5) if band.kind == "known" else (TOP, _inner())
            parts.append(
                f'<rect class="{band.kind}" x="{left:.1f}" y="{base}" width="{width:.1f}" '
                f'height="{tall}"/>'
            )
    for value in (low, (low + high) / 2, high):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" '
            f'y2="{y(value):.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>'
        )
    parts.append(
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{moment(first)}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{moment(last)}</text>'
    )
    for stretch in _stretches(thinned(line.points)):
        if len(stretch) == 1:
            at, value = stretch[0]
            parts.append(f'<circle class="dot" cx="{x(at):.1f}" cy="{y(value):.1f}" r="2"/>')
        else:
            path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in stretch)
            parts.append(f'<polyline class="line" points="{path}"/>')
    return "".join(parts) + "</svg>"


def thinned(points: Sequence[tuple[int, float | None]]) -> list[tuple[int, float | None]]:
    """Few enough points to draw.

    >>> line = [(t, 9.0 if t == 777 else 1.0) for t in range(10_000)]
    >>> len(thinned(line)) <= MAX_POINTS, max(value for _, value in thinned(line))
    (True, 9.0)
    """
    if len(points) <= MAX_POINTS:
        return list(points)
    size = -(-2 * len(points) // MAX_POINTS)
    kept: list[tuple[int, float | None]] = []
    for start in range(0, len(points), size):
        here = [(value, at) for at, value in points[start : start + size] if value is not None]
        if here:
            ends = sorted({(at, value) for value, at in (min(here), max(here))})
            kept += ends
        else:
            kept.append((points[start][0], None))
    return kept


def _inner() -> int:
    return HEIGHT - TOP - BOTTOM


def _stretches(points: Sequence[tuple[int, float | None]]) -> list[list[tuple[int, float]]]:
    stretches: list[list[tuple[int, float]]] = [[]]
    for at, value in points:
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append((at, value))
    return [stretch for stretch in stretches if stretch]
