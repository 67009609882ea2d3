"""How large is a pane in Redis, and a day of them?

    python -m benchmarks.pane_size

Panes of 20 features (8 normal ones across zero, 8 lognormal, 4 categorical of 20 texts) and a
prediction, as they are stored: plain values, MessagePack, zstd. Sizes by the rows of the pane, with
a reference and without one (log buckets on both sides of zero are many), and of what a pane holds
beside: latency, and labels with the scores of three classes. What is measured is read back, and
its numbers compared with numpy's on the raw rows, before its figure is printed. A day of one-minute
panes of 100 models is these sizes times 144,000, for each partition that holds rows of the model.
"""

from __future__ import annotations

import numpy as np

from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import NumericBlock
from pipeline.columns import Column
from pipeline.reference.builder import profile_of
from pipeline.state.packing import pack, unpack
from pipeline.stats import ClassificationCounter, LatencyCounter
from pipeline.windows.counting import CountingRules
from pipeline.windows.pane import Counts, Pane
from pipeline.windows.watermark import NEVER

CLASSES = ("a", "b", "c")
TEXTS = tuple(f"v{i}" for i in range(20))
DAY_OF_MODELS = 1_440 * 100
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
    print("bytes in Redis of a pane of 20 features and the prediction, and what comes beside them;")
    print("GB of a day of 100 models: counted against a reference, latency, no labels")
    print(
        f"{'rows':>9} {'with reference':>15} {'without':>9} {'latency':>9} {'labels':>9} {'GB':>6}"
    )
    for size in (100, 1_000, 10_000, 100_000):
        rows = Rows(size, seed=size)
        sizes = []
        for against in (reference, None):
            length, again = stored(pane_of(rows, 0, size, against), against)
            check(again, rows, against)
            sizes.append(length)
        beside = [len(pack(c.snapshot())) for c in (latency_of(size), quality_of(rows))]
        day = (sizes[0] + beside[0]) * DAY_OF_MODELS / 1e9
        print(f"{size:9,} {sizes[0]:15,} {sizes[1]:9,} {beside[0]:9,} {beside[1]:9,} {day:6.2f}")


def main() -> None:
    sample = Rows(100_000, seed=1)
    reference = profile_of(sample.columns(0, sample.size))
    print_sizes(reference)


if __name__ == "__main__":
    main()
