"""What a window takes is what a plain merge of its stored panes gives, whatever happened before."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_stores import MemoryPartitionStore

from inferwatch.events.json_codec import window_to_dict
from inferwatch.settings import load
from pipeline.assemble import assemble
from pipeline.columns import Column
from pipeline.models import ModelPlans
from pipeline.progress import Progress, SourceProgress
from pipeline.reference.builder import profile_of
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack, unpack
from pipeline.state.partitions import Step
from pipeline.stats import LatencyCounter
from pipeline.window_panes import RUNS_BYTES, RunRoom, WentBackError, WindowPanes
from pipeline.windows.grid import Span
from pipeline.windows.pane import Pane, PaneKey
from pipeline.windows.result import WindowKey
from pipeline.windows.watermark import NEVER

CONFIG = """
models:
  - {name: m, task: binary, positive: "yes", windows: [1m, 10m, 1h, 2h/1m, 3h]}
"""
MINUTE = 60_000
MINUTES = 200
PLAN = ModelPlans(load(None, text=CONFIG)).of("m")
EVENTS = [SourcePartition("inference.predictions", number) for number in range(2)]
LABELS = SourcePartition("inference.labels", 0)
REFERENCE = profile_of({"x": Column(50, numbers=np.linspace(-2, 2, 50))})


class Stored:
    """Partitions, and what their owners know."""

    def __init__(self):
        self.store = MemoryPartitionStore()
        self.references = ReferenceCatalog()
        self._panes = {source: {} for source in (*EVENTS, LABELS)}
        self._labelled = set()
        self._writes = 0

    async def begin(self):
        for source in self._panes:
            await self.store.begin(source, "0", -1, b"")

    async def lose(self):
        """Redis is emptied, and every partition counted again."""
        self.store.lose()
        await self.begin()
        self._writes = 0
        for source, panes in self._panes.items():
            await self._write(source, panes)

    async def rows(self, source, minute, count, *, closed_until=NEVER, seed=0):
        """Rows are counted in a minute; `closed_until` of those that come late for some windows."""
        rng = np.random.default_rng(seed)
        counts = self._pane(source, minute).at(closed_until)
        if source is LABELS:
            counts.quality = counts.quality or PLAN.counting.quality()
            actual = Column(count, codes=rng.integers(0, 2, count, np.int32), texts=("yes", "no"))
            predicted = Column(count, codes=np.zeros(count, np.int32), texts=("yes",))
            scores = {"yes": rng.random(count)}
            counts.quality.update(actual, predicted, scores, rng.exponential(1e5, count))
        else:
            counts.rows += count
            answers = Column(count, codes=np.zeros(count, np.int32), texts=("yes",))
            numbers = Column(count, numbers=rng.normal(size=count))
            counts.against(REFERENCE).update({"x": numbers}, answers, {})
            counts.latency = counts.latency or LatencyCounter()
            none = np.full(count, np.nan)
            counts.latency.update(rng.lognormal(size=count), none > 0, none, none)
        await self._write(source, [minute])

    async def corrected(self, minute):
        """A label comes; the next time it is taken back, and another takes its place."""
        counts = self._pane(LABELS, minute).at(NEVER)
        counts.quality = counts.quality or PLAN.counting.quality()
        texts = ("yes", "no")
        predicted = Column(1, codes=np.zeros(1, np.int32), texts=texts)
        again = minute in self._labelled
        self._labelled ^= {minute}
        for sign, code in ((-1, 0), (1, 1)) if again else ((1, 0),):
            actual = Column(1, codes=np.array([code], np.int32), texts=texts)
            counts.quality.update(actual, predicted, {}, np.array([5.0]), sign)
        await self._write(LABELS, [minute])

    async def drop(self, before):
        """The panes that no window needs go."""
        for source, panes in self._panes.items():
            gone = [m for m in panes if PLAN.grid.last_end_of(m * MINUTE) < before * MINUTE]
            for minute in gone:
                del panes[minute]
            await self._write(source, (), gone)

    def plain(self, key):
        """All panes of a window, read one by one."""
        found = []
        for source, panes in self._panes.items():
            for minute in range(key.span.start // MINUTE, key.span.end // MINUTE):
                if minute in panes:
                    held = self.store._held[source][3][text_of(minute)]
                    known = self.references.by_fingerprint
                    found.append(Pane.restore(unpack(held, ""), known, PLAN.counting))
        return found

    @property
    def progress(self):
        return Progress(
            0,
            {
                source: SourceProgress(
                    source=source,
                    offset=self._writes,
                    high_ts=0,
                    models=frozenset("m"),
                    totals=(),
                    beat=None,
                )
                for source in self._panes
            },
        )

    def _pane(self, source, minute):
        return self._panes[source].setdefault(minute, Pane(PLAN.counting))

    async def _write(self, source, minutes, gone=()):
        self._writes += 1
        for other in self._panes:
            mine = other is source
            step = Step(
                expected=await self.store.generation(other),
                generation=f"{self._writes}",
                offset=self._writes,
                head=b"",
                panes={
                    text_of(minute): pack(self._panes[source][minute].snapshot())
                    for minute in (minutes if mine else ())
                },
                panes_gone=[text_of(minute) for minute in (gone if mine else ())],
            )
            assert await self.store.write(other, step)

    def reader(self, room=RUNS_BYTES):
        return WindowPanes(PLAN, self.references, self.store, "", RunRoom(room))


def text_of(minute):
    return PaneKey("m", "1", "", minute * MINUTE).text()


def pane_of(minute):
    return PaneKey("m", "1", "", minute * MINUTE)


def window(end, minutes):
    return WindowKey(Span(end * MINUTE, minutes * MINUTE, f"{minutes}m"), "1", "")


def said(key, panes, references):
    """What a window says: everything bit for bit, but what each merge rounds."""
    result = assemble(PLAN, key, panes, references)
    if result is None:
        return None
    plain = window_to_dict(result)
    for block in (plain.get("features") or {}).values():
        if block["std"] is not None:
            block["std"] = pytest.approx(block["std"], rel=1e-9)
    return plain


steps = st.one_of(
    st.tuples(st.just("rows"), st.integers(0, 2), st.integers(0, MINUTES - 1), st.integers(1, 5)),
    st.tuples(st.just("late"), st.integers(0, MINUTES - 1), st.integers(0, 100), st.just(2)),
    st.tuples(st.just("corrected"), st.integers(0, MINUTES - 1)),
    st.tuples(st.just("look"), st.integers(0, MINUTES - 1), st.integers(0, 124), st.integers(1, 3)),
    st.tuples(st.just("reference")),
    st.tuples(st.just("lost")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("closed"), st.integers(0, MINUTES)),
)


@settings(max_examples=40, deadline=None)
@given(
    happens=st.lists(steps, max_size=30),
    room=st.sampled_from([0, 30_000, RUNS_BYTES]),
    seed=st.integers(0, 9),
)
def test_any_sequence_of_changes_gives_what_a_plain_merge_gives(happens, room, seed):
    async def run():
        stored = Stored()
        await stored.begin()
        for minute in range(seed, MINUTES, 7):
            await stored.rows((*EVENTS, LABELS)[minute % 3], minute, 3, seed=minute)
        reader, closed = stored.reader(room), 0
        for step in [*happens, ("look", MINUTES - 1, 100, 20)]:
            match step:
                case ("rows", part, minute, count) if minute >= closed:
                    source = (*EVENTS, LABELS)[part]
                    await stored.rows(source, minute, count, seed=minute + count)
                    reader.changed(pane_of(minute), source)
                case ("late", minute, after, count) if minute >= closed:
                    until = (minute + after) * MINUTE
                    await stored.rows(EVENTS[0], minute, count, closed_until=until, seed=after)
                    reader.changed(pane_of(minute), EVENTS[0])
                case ("corrected", minute) if minute >= closed:
                    await stored.corrected(minute)
                    reader.changed(pane_of(minute), LABELS)
                case ("look", minute, which, number):
                    spans = [
                        s for s in PLAN.grid.spans_of(minute * MINUTE) if s.end >= closed * MINUTE
                    ]
                    keys = [WindowKey(s, "1", "") for s in spans[which : which + number]]
                    found = await reader.of(keys, stored.progress)
                    for key, parts in zip(keys, found, strict=True):
                        plain = said(key, stored.plain(key), stored.references)
                        assert said(key, parts, stored.references) == plain
                    assert reader.kept_bytes <= room
                case ("reference",):
                    stored.references.add(REFERENCE)
                case ("lost",):
                    await stored.lose()
                    reader = stored.reader(room)
                case ("restart",):
                    reader = stored.reader(room)
                case ("closed", until):
                    closed = max(closed, until)
                    await stored.drop(closed)
                    reader.forget(closed * MINUTE - 180 * MINUTE)

    asyncio.run(run())


class Reads:
    """Which panes were asked for."""

    def __init__(self, store):
        self.store = store
        self.texts = []

    async def panes(self, sources, texts):
        self.texts.append((sources, list(texts)))
        return await self.store.panes(sources, texts)

    def take(self):
        taken, self.texts = self.texts, []
        return [text for sources, texts in taken for text in texts if LABELS not in sources], [
            text for sources, texts in taken for text in texts if LABELS in sources
        ]


async def with_reads():
    stored = Stored()
    await stored.begin()
    for minute in range(MINUTES):
        await stored.rows(EVENTS[0], minute, 1)
        await stored.rows(LABELS, minute, 1)
    reads = Reads(stored.store)
    reader = WindowPanes(PLAN, stored.references, reads, "", RunRoom())
    return stored, reads, reader


async def test_only_what_is_new_is_read():
    stored, reads, reader = await with_reads()
    await reader.of([window(150, 120)], stored.progress)
    assert reads.take() == ([text_of(m) for m in range(30, 150)],) * 2
    await reader.of([window(150, 120), window(140, 60)], stored.progress)
    assert reads.take() == ([], [])
    await reader.of([window(151, 120)], stored.progress)
    assert reads.take() == ([text_of(150)],) * 2


async def test_labels_do_not_make_features_be_read_again():
    stored, reads, reader = await with_reads()
    await reader.of([window(180, 180)], stored.progress)
    reads.take()
    reader.changed(pane_of(70), LABELS)
    await reader.of([window(180, 180)], stored.progress)
    assert reads.take() == ([], [text_of(70)])
    reader.changed(pane_of(70), EVENTS[1])
    await reader.of([window(180, 180)], stored.progress)
    assert reads.take() == ([text_of(70)], [])


async def test_a_long_window_is_read_in_stretches():
    stored, reads, reader = await with_reads()
    (parts,) = await reader.of([window(1_600, 1_600)], stored.progress)
    sizes = [len(texts) for _, texts in reads.texts]
    assert sum(sizes) == 2 * 1_600 and max(sizes) <= 480
    assert sum(counts.rows for pane in parts for counts in pane.counts.values()) == MINUTES


async def test_a_partition_that_went_back_is_told_of():
    stored, _, reader = await with_reads()
    ahead = stored.progress
    ahead.sources[EVENTS[0]] = SourceProgress(
        source=EVENTS[0],
        offset=10**6,
        high_ts=0,
        models=frozenset(),
        totals=(),
        beat=None,
    )
    with pytest.raises(WentBackError, match=r"inference\.predictions:0 went back"):
        await reader.of([window(10, 10)], ahead)


def test_models_share_the_room_equally():
    room = RunRoom(1_000)
    stored = Stored()
    readers = [WindowPanes(PLAN, stored.references, stored.store, "", room) for _ in range(4)]
    assert room.share == 250
    del readers[1:]
    assert room.share == 1_000
