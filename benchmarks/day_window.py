"""How long does a window of a day take, made of one-minute panes?

    python -m benchmarks.day_window [--rows 1000] [--slides 66] [--scores]

A model of 16 numeric and 4 categorical features, a prediction, latency, and labels of three classes
(`--scores`: with a score each, all of them different: their AUC then takes most of the time); a
day and more of panes of a minute, packed as they lie in Redis (its place is taken by a dict, so
that what is measured is the worker's work). From there the worker's own reader
(`pipeline/window_panes.py`) makes windows:

- a day that slides by a minute: each minute one more pane is there, and nothing else changed; once
  with all the memory for runs, once with the share of one model of a hundred;
- a tumbling day, after the hours of it were windows too;
- the first window after a restart, when nothing is known.

The yardsticks: merge all 1,440 panes that lie in memory, read and merge them all, and numpy and
scipy on the raw rows of the day. Every number of a window made of runs is compared with the merge
of all its panes before a figure is printed: counts bit for bit. CPU milliseconds of one process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, cast

import numpy as np

from benchmarks._fold_batch import BatchJob
from benchmarks._fold_input import CLASSES, Rows
from inferwatch.events.json_codec import window_to_dict
from inferwatch.events.reference import ReferenceProfile
from inferwatch.settings import load
from pipeline.assemble import assemble, merged
from pipeline.models import ModelPlan, ModelPlans
from pipeline.progress import Progress, SourceProgress
from pipeline.reference.builder import profile_of
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, unpack
from pipeline.state.partitions import PartitionStore
from pipeline.stats import LatencyCounter
from pipeline.window_panes import RUNS_BYTES, RunRoom, WindowPanes
from pipeline.windows.grid import Span
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.result import WindowKey
from pipeline.windows.watermark import NEVER

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
EVENTS = SourcePartition("inference.predictions", 0)
LABELS = SourcePartition("inference.labels", 0)
MODELS = 100

CONFIG = """
models:
  - {name: m, task: multiclass, classes: [a, b, c], windows: [1m, 1h, 1d, 1d/1m]}
"""


class Stored:
    """The panes in the place of Redis."""

    def __init__(self) -> None:
        self.fields: dict[SourcePartition, dict[str, bytes]] = {EVENTS: {}, LABELS: {}}

    async def panes(
        self, sources: Sequence[SourcePartition], fields: Sequence[str]
    ) -> list[tuple[int, list[bytes | None]]]:
        """As `PartitionStore.panes`."""
        return [(0, [self.fields[source].get(field) for field in fields]) for source in sources]


@dataclass(frozen=True)
class Day:
    """A model, its rows, and what is stored of them minute by minute."""

    plan: ModelPlan
    references: ReferenceCatalog
    reference: ReferenceProfile
    rows: Rows
    a_minute: int
    with_scores: bool

    @classmethod
    def of(cls, a_minute: int, minutes: int, *, with_scores: bool) -> Day:
        """Seeded rows, so many a minute."""
        sample = Rows(50_000, np.float64, seed=2)
        reference = profile_of(sample.columns(0, sample.size))
        references = ReferenceCatalog()
        references.add(reference)
        plan = ModelPlans(load(None, text=CONFIG)).of("m")
        rows = Rows(a_minute * minutes, np.float64, 1)
        return cls(plan, references, reference, rows, a_minute, with_scores)

    def panes(self, minute: int) -> dict[SourcePartition, Pane]:
        """The panes of a minute: of the events and of the labels."""
        start, stop = minute * self.a_minute, (minute + 1) * self.a_minute
        batch = self.rows.batch(start, stop)
        events, labels = Pane(self.plan.counting), Pane(self.plan.counting)
        counts = events.at(NEVER)
        counts.rows = counts.joinable = self.a_minute
        counts.against(self.reference).update(batch.columns, batch.predicted, {})
        counts.latency = LatencyCounter()
        counts.latency.update(batch.latency, batch.failed, batch.none, batch.none)
        quality = labels.at(NEVER).quality = self.plan.counting.quality()
        scores: dict[str, Any] = {}
        if self.with_scores:
            shares = np.random.default_rng(minute).dirichlet(np.ones(len(CLASSES)), self.a_minute)
            scores = {name: shares[:, i] for i, name in enumerate(CLASSES)}
        quality.update(batch.actual, batch.predicted, scores, batch.none)
        return {EVENTS: events, LABELS: labels}

    def store(self, stored: Stored, minute: int) -> PaneKey:
        """Write the panes of a minute."""
        key = PaneKey("m", "1", "", minute * MINUTE)
        for source, pane in self.panes(minute).items():
            stored.fields[source][key.text()] = pack(pane.snapshot())
        return key

    def restored(self, stored: Stored, minute: int) -> Iterator[Pane]:
        """Read the panes of a minute back."""
        text = PaneKey("m", "1", "", minute * MINUTE).text()
        for fields in stored.fields.values():
            plain = unpack(fields[text], "a pane")
            yield Pane.restore(plain, self.references.by_fingerprint, self.plan.counting)

    def reader(self, stored: Stored, room: RunRoom) -> WindowPanes:
        """The worker's reader, that knows nothing yet."""
        partitions = cast(PartitionStore, stored)
        return WindowPanes(self.plan, self.references, partitions, "", room)


def window(end_minute: int, size: int = DAY, text: str = "1d/1m") -> WindowKey:
    return WindowKey(Span(end_minute * MINUTE, size, text), "1", "")


PROGRESS = Progress(
    0,
    {
        source: SourceProgress(
            source=source, offset=0, high_ts=0, models=frozenset("m"), totals=(), beat=None
        )
        for source in (EVENTS, LABELS)
    },
)


async def timed(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """CPU milliseconds, threads included, and the answer."""
    start = time.process_time()
    answer = await work()
    return (time.process_time() - start) * 1e3, answer


def best_of(rounds: int, work: Callable[[], Any]) -> float:
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent) * 1e3


def check(day: Day, key: WindowKey, parts: Sequence[Pane], panes: Sequence[Pane]) -> None:
    """A window made of runs must say what the merge of its panes says."""
    plain, again = (
        window_to_dict(cast(Any, assemble(day.plan, key, of, day.references)))
        for of in (parts, panes)
    )
    equal(plain, again, "")


def equal(one: Any, other: Any, path: str) -> None:
    """Bit for bit; a standard deviation is rounded at each merge."""
    if isinstance(one, Mapping):
        assert one.keys() == other.keys(), path
        for key in one:
            equal(one[key], other[key], f"{path}.{key}")
    elif path.endswith(".std"):
        assert abs(one / other - 1) < 1e-9, path
    else:
        assert one == other, (path, one, other)


def print_yardsticks(day: Day, stored: Stored) -> list[Pane]:
    """Prints them; the panes of the first day."""
    panes = [pane for minute in range(1_440) for pane in day.restored(stored, minute)]
    gc.collect()
    gc.freeze()
    key = window(1_440)
    sample = Rows(50_000, np.float64, seed=2)
    raw = slice(0, 1_440 * day.a_minute)
    yardstick: dict[str, Any] = {}
    batch = best_of(
        1, lambda: yardstick.update(BatchJob(sample, every=False).window(day.rows, raw))
    )
    one_by_one = best_of(3, lambda: merged(day.plan, key, panes))
    reading = best_of(
        1,
        lambda: merged(day.plan, key, [p for m in range(1_440) for p in day.restored(stored, m)]),
    )
    result = assemble(day.plan, key, panes, day.references)
    assert result is not None and result.features is not None and result.quality is not None
    for i in range(16):
        block, theirs = cast(Any, result.features[f"n{i}"]), yardstick[f"n{i}"]
        assert block.count == raw.stop and abs(block.mean / theirs["mean"] - 1) < 1e-12
        assert -1e-12 <= theirs["ks"] - block.ks <= 1 / 256
    assert cast(Any, result.quality).accuracy == yardstick["quality"]["accuracy"]
    print(f"{batch:9.1f}  numpy and scipy on the raw rows (mean, std, percentiles, KS, PSI, …)")
    print(f"{reading:9.1f}  read 1,440 panes of events and of labels, and merge them all")
    print(f"{one_by_one:9.1f}  merge them all, when they lie in memory")
    return panes


async def print_restart(day: Day, stored: Stored, panes: Sequence[Pane]) -> None:
    key = window(1_440)
    reader = day.reader(stored, RunRoom())
    cost, [parts] = await timed(lambda: reader.of([key], PROGRESS))
    check(day, key, parts, panes)
    print(f"{cost:9.1f}  the first after a restart: read all, rolled up, merged")
    tracemalloc.start()
    reader = day.reader(stored, RunRoom())
    await reader.of([key], PROGRESS)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"{taken / 1e6:9.1f}  MB that its runs take then ({reader.kept_bytes / 1e6:.1f} MB by "
        f"their own account, {RUNS_BYTES / 1e6:.0f} MB is the bound for all models)"
    )


async def print_tumbling(day: Day, stored: Stored, panes: Sequence[Pane]) -> None:
    reader = day.reader(stored, RunRoom(RUNS_BYTES // MODELS))
    spent = []
    for hour in range(1, 25):
        hourly = window(hour * 60, HOUR, "1h")
        cost, [parts] = await timed(lambda: reader.of([hourly], PROGRESS))  # noqa: B023
        spent.append(cost + best_of(1, lambda: merged(day.plan, hourly, parts)))  # noqa: B023
    key = window(1_440, DAY, "1d")
    cost, [parts] = await timed(lambda: reader.of([key], PROGRESS))
    check(day, key, parts, panes)
    cost += best_of(3, lambda: merged(day.plan, key, parts))
    print(f"{cost:9.1f}  a tumbling day, at its end ({len(parts)} parts)")
    print(f"{mean(spent):9.1f}  each hour of it before, mean (60 panes read, which makes its run)")


async def print_sliding(day: Day, stored: Stored, slides: int, room: int, what: str) -> None:
    reader = day.reader(stored, RunRoom(room))
    await reader.of([window(1_440)], PROGRESS)
    taking, merging, results, sizes = [], [], [], []
    for end in range(1_441, 1_441 + slides):
        pane = PaneKey("m", "1", "", (end - 1) * MINUTE)
        for source in (EVENTS, LABELS):
            reader.changed(pane, source)
        key = window(end)
        cost, [parts] = await timed(lambda: reader.of([key], PROGRESS))  # noqa: B023
        taking.append(cost)
        merging.append(best_of(1, lambda: merged(day.plan, key, parts)))  # noqa: B023
        results.append(best_of(1, lambda: assemble(day.plan, key, parts, day.references)))  # noqa: B023
        sizes.append(len(parts))
        if end % 60 == 30:
            panes = [p for m in range(end - 1_440, end) for p in day.restored(stored, m)]
            check(day, key, parts, panes)
    whole = [one + other for one, other in zip(taking, merging, strict=True)]
    print(
        f"{mean(whole):9.1f}  a day that slides by a minute, {what}: mean of {slides} "
        f"({mean(sizes):.0f} parts; reading {mean(taking):.1f}, merging {mean(merging):.1f}; "
        f"half of them below {np.median(whole):.1f}, the dearest {max(whole):.1f}); "
        f"with the result {mean(taking) + mean(results):.1f}"
    )


async def measure(a_minute: int, slides: int, *, with_scores: bool) -> None:
    minutes = 1_440 + slides
    day, stored = Day.of(a_minute, minutes, with_scores=with_scores), Stored()
    for minute in range(minutes):
        day.store(stored, minute)
    print(f"a day of panes of a minute, {a_minute:,} rows each; CPU milliseconds a window")
    panes = print_yardsticks(day, stored)
    await print_restart(day, stored, panes)
    await print_tumbling(day, stored, panes)
    del panes
    await print_sliding(day, stored, slides, RUNS_BYTES, "all memory for runs")
    share = f"the share of one model of {MODELS} ({RUNS_BYTES / MODELS / 1e6:.1f} MB)"
    await print_sliding(day, stored, slides, RUNS_BYTES // MODELS, share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000, help="rows a minute")
    parser.add_argument("--slides", type=int, default=66, help="how often the day slides")
    parser.add_argument("--scores", action="store_true", help="labels of rows with scores")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.rows, arguments.slides, with_scores=arguments.scores))


if __name__ == "__main__":
    main()
