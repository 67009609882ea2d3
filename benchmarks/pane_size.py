"""How large is a pane in Redis, and how long does a window of a day take to merge?

    python -m benchmarks.pane_size

Panes of 20 features (8 normal ones across zero, 8 lognormal, 4 categorical of 20 texts) and a
prediction, as they are stored: plain values, MessagePack, zstd. Sizes by the rows of the pane, with
a reference and without one (log buckets on both sides of zero are many), and of what a pane holds
beside: latency, and labels with the scores of three classes. Then a day of one-minute panes: merged
one by one, rolled up into runs of 60, and merged from those. What is measured is read back, and
its numbers compared with numpy's on the raw rows, before its figure is printed; CPU milliseconds of
one process, the best of five.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np

from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import NumericBlock
from pipeline.columns import Column
from pipeline.reference.builder import profile_of
from pipeline.state.packing import pack, unpack
from pipeline.stats import ClassificationCounter, LatencyCounter
from pipeline.windows.counting import CountingRules
from pipeline.windows.grid import Span
from pipeline.windows.pane import Counts, Pane
from pipeline.windows.rollup import Rollups
from pipeline.windows.watermark import NEVER

CLASSES = ("a", "b", "c")
TEXTS = tuple(f"v{i}" for i in range(20))
MINUTE = 60_000
MINUTES = 1_440
ROWS_A_MINUTE = 1_000
RULES = CountingRules(
    task="multiclass", classes=CLASSES, positive=None, max_categories=1_000, categorical=frozenset()
)


class Rows:
    """Seeded rows as columns."""

    def __init__(self, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self.numbers = [
            rng.normal(i, 1 + i, size) if i % 2 else (1 + i) * rng.lognormal(size=size)
            for i in range(16)
        ]
        weights = np.arange(len(TEXTS), 0, -1) / (len(TEXTS) * (len(TEXTS) + 1) / 2)
        self.codes = [rng.choice(len(TEXTS), size, p=weights).astype(np.int32) for _ in range(4)]
        self.answers = rng.integers(0, len(CLASSES), size, np.int32)

    def columns(self, start: int, stop: int) -> dict[str, Column]:
        rows, size = slice(start, stop), stop - start
        columns = {f"n{i}": Column(size, numbers=n[rows]) for i, n in enumerate(self.numbers)}
        for i, codes in enumerate(self.codes):
            columns[f"c{i}"] = Column(size, codes=codes[rows], texts=TEXTS)
        return columns


def pane_of(rows: Rows, start: int, stop: int, reference: ReferenceProfile | None) -> Pane:
    """The features and the prediction of some rows, counted."""
    pane = Pane(RULES)
    counts = pane.at(NEVER)
    counts.rows = stop - start
    answers = Column(stop - start, codes=rows.answers[start:stop], texts=CLASSES)
    counts.against(reference).update(rows.columns(start, stop), answers, {})
    return pane


def latency_of(size: int) -> LatencyCounter:
    """A request a row."""
    rng = np.random.default_rng(2)
    none = np.full(size, np.nan)
    counter = LatencyCounter()
    counter.update(rng.lognormal(3, 0.7, size), rng.random(size) < 0.01, none, none)
    return counter


def quality_of(rows: Rows) -> ClassificationCounter:
    """A label a row, four of five as predicted, with a score for each class."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(len(CLASSES)), rows.size)
    other = rng.integers(0, len(CLASSES), rows.size, np.int32)
    actual = np.where(rng.random(rows.size) < 0.8, rows.answers, other)
    counter = ClassificationCounter(CLASSES, None)
    counter.update(
        Column(rows.size, codes=actual, texts=CLASSES),
        Column(rows.size, codes=rows.answers, texts=CLASSES),
        {name: shares[:, i] for i, name in enumerate(CLASSES)},
        rng.lognormal(15, 1, rows.size),
    )
    return counter


def check(counts: Counts, rows: Rows, reference: ReferenceProfile | None) -> None:
    """What was stored and read back must be what numpy says of the raw rows."""
    blocks = counts.against(reference).feature_blocks()
    for i, numbers in enumerate(rows.numbers):
        block = blocks[f"n{i}"]
        assert isinstance(block, NumericBlock)
        assert (block.count, block.min, block.max) == (rows.size, numbers.min(), numbers.max())
        assert block.mean is not None and abs(block.mean / numbers.mean() - 1) < 1e-12
        assert block.std is not None and abs(block.std / numbers.std() - 1) < 1e-9
        if reference is not None:
            assert block.psi is not None and block.psi < 0.1 * max(1, 1_000 / rows.size)
    for i in range(4):
        top = dict(blocks[f"c{i}"].top)  # type: ignore[union-attr]
        assert abs(top["v0"] - float(np.mean(rows.codes[i] == 0))) < 1e-12


def stored(pane: Pane, reference: ReferenceProfile | None) -> tuple[int, Counts]:
    """The bytes of a pane in Redis, and what is read back from them."""
    packed = pack(pane.snapshot())
    known = {} if reference is None else {reference.fingerprint: reference}
    return len(packed), Pane.restore(unpack(packed, "a pane"), known, RULES).at(NEVER)


def print_sizes(reference: ReferenceProfile) -> None:
    print("bytes in Redis of a pane of 20 features and the prediction, and what comes beside them")
    print(f"{'rows':>9} {'with reference':>15} {'without':>9} {'latency':>9} {'labels':>9}")
    for size in (100, 1_000, 10_000, 100_000):
        rows = Rows(size, seed=size)
        sizes = []
        for against in (reference, None):
            length, again = stored(pane_of(rows, 0, size, against), against)
            check(again, rows, against)
            sizes.append(length)
        beside = [len(pack(c.snapshot())) for c in (latency_of(size), quality_of(rows))]
        print(f"{size:9,} {sizes[0]:15,} {sizes[1]:9,} {beside[0]:9,} {beside[1]:9,}")


def milliseconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best * 1e3


def merged(parts: list[Pane], end: int) -> Counts:
    window = Counts(RULES)
    for part in parts:
        part.merge_into(window, end)
    return window


def print_day(reference: ReferenceProfile) -> None:
    rows = Rows(MINUTES * ROWS_A_MINUTE, seed=4)
    known = {reference.fingerprint: reference}
    packed = []
    for start in range(0, rows.size, ROWS_A_MINUTE):
        pane = pane_of(rows, start, start + ROWS_A_MINUTE, reference)
        packed.append(pack(pane.snapshot()))

    def panes_at(start: int) -> list[Pane]:
        return [Pane.restore(unpack(packed[start // MINUTE % MINUTES], "a pane"), known, RULES)]

    day = Span(MINUTES * MINUTE, MINUTES * MINUTE, "1d")
    minutes = [panes_at(start)[0] for start in range(day.start, day.end, MINUTE)]
    rollups = Rollups(RULES, MINUTE)
    gc.collect()
    gc.freeze()
    rolling = milliseconds(lambda: Rollups(RULES, MINUTE).parts(day, panes_at))
    hours = rollups.parts(day, panes_at)
    check(merged(hours, day.end), rows, reference)
    one, other = (merged(parts, day.end).against(reference) for parts in (minutes, hours))
    assert one.feature_blocks().keys() == other.feature_blocks().keys()
    half = Span(day.end + 30 * MINUTE, day.size, "1d/1m")
    rollups.parts(half, panes_at)
    print(f"a day of one-minute panes of {ROWS_A_MINUTE:,} rows, CPU milliseconds")
    for what, cost in (
        ("read 1,440 panes and roll them up into 24 runs, once", rolling),
        ("merge 1,440 panes", milliseconds(lambda: merged(minutes, day.end))),
        ("merge 24 runs", milliseconds(lambda: merged(hours, day.end))),
        (
            "merge 24 runs and work out the result",
            milliseconds(lambda: merged(hours, day.end).against(reference).feature_blocks()),
        ),
        (
            "23 runs, and 60 panes read at the two ends (slides by a minute)",
            milliseconds(lambda: merged(rollups.parts(half, panes_at), half.end)),
        ),
    ):
        print(f"{cost:9.1f}  {what}")


def main() -> None:
    sample = Rows(100_000, seed=1)
    reference = profile_of(sample.columns(0, sample.size))
    print_sizes(reference)
    print_day(reference)


if __name__ == "__main__":
    main()
