"""A window made of runs is the window made of its panes."""

import random

import numpy as np
import pytest

from pipeline.columns import Column
from pipeline.stats import LatencyCounter
from pipeline.windows.counting import CountingRules
from pipeline.windows.grid import Span
from pipeline.windows.pane import Counts, Pane
from pipeline.windows.rollup import RUN_PANES, Rollups
from pipeline.windows.run_shelf import RunShelf
from pipeline.windows.watermark import NEVER

MINUTE = 60_000
RULES = CountingRules(
    task="binary", classes=(), positive="yes", max_categories=10, categorical=frozenset()
)


def panes(minutes: int) -> dict[int, list[Pane]]:
    """Panes of two partitions; some hold rows that come late for the first windows."""
    rng = np.random.default_rng(minutes)
    made: dict[int, list[Pane]] = {}
    for minute in range(0, minutes, 3):
        for _ in range(2):
            pane = Pane(RULES)
            for until in (NEVER, (minute + 5) * MINUTE) if minute % 7 == 0 else (NEVER,):
                rows = int(rng.integers(1, 9))
                counts = pane.at(until)
                counts.rows += rows
                answers = Column(rows, codes=np.zeros(rows, np.int32), texts=("yes",))
                amounts = Column(rows, numbers=rng.normal(size=rows))
                counts.against(None).update({"x": amounts}, answers, {})
                counts.latency = LatencyCounter()
                none = np.full(rows, np.nan)
                counts.latency.update(rng.lognormal(size=rows), none > 0, none, none)
            made.setdefault(minute * MINUTE, []).append(pane)
    return made


def merged(parts: list[Pane], end: int) -> Counts:
    window = Counts(RULES)
    for part in parts:
        part.merge_into(window, end)
    return window


def shown(counts: Counts) -> tuple:
    inputs = counts.inputs.get("")
    block = inputs.feature_blocks()["x"] if inputs else None
    latency = counts.latency.result(1) if counts.latency else None
    exact = None if block is None else (block.count, block.mean, block.p05, block.p50, block.max)
    return counts.rows, exact, latency


@pytest.mark.parametrize("seed", range(6))
def test_any_window_equals_its_panes_merged_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    stored = panes(300)
    rollups = Rollups(RULES, MINUTE, RunShelf(lambda: 10**9))
    for _ in range(12):
        start, size = rng.randrange(-30, 280), rng.choice([1, 5, 59, 60, 61, 180, 250])
        span = Span((start + size) * MINUTE, size * MINUTE, "")
        known = set(rollups.unknown(span))
        parts = rollups.parts(span, lambda at: stored.get(at, ()) if at in known else pytest.fail())  # noqa: B023
        one_by_one = [
            pane for at in range(span.start, span.end, MINUTE) for pane in stored.get(at, ())
        ]
        assert shown(merged(parts, span.end)) == shown(merged(one_by_one, span.end))


def test_a_changed_pane_shows_and_a_forgotten_run_is_asked_for_again() -> None:
    stored = panes(120)
    rollups = Rollups(RULES, MINUTE, RunShelf(lambda: 10**9))
    span = Span(120 * MINUTE, 120 * MINUTE, "2h")
    before = merged(rollups.parts(span, lambda at: stored.get(at, ())), span.end).rows
    stored[61 * MINUTE] = panes(1)[0]
    rollups.changed(61 * MINUTE)
    assert list(rollups.unknown(span)) == [61 * MINUTE]
    more = sum(counts.rows for pane in stored[61 * MINUTE] for counts in pane.taken_by(span.end))
    after = merged(rollups.parts(span, lambda at: stored.get(at, ())), span.end).rows
    assert after == before + more
    rollups.shelf.forget(60 * MINUTE)
    assert len(list(rollups.unknown(span))) == max(RUN_PANES)
