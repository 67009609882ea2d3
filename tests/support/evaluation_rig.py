"""Evaluation without Kafka and Redis: partitions that are fed by hand, a topic, a clock."""

import json
from types import SimpleNamespace

from memory_stores import MemoryEvaluationStore, MemoryPartitionStore

from inferwatch import topics
from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline.decode import Decoder, RawRecord
from pipeline.detector_memory import Memory
from pipeline.epoch import EpochGate, LogSpan
from pipeline.evaluate import ModelEvaluator, Outlets
from pipeline.evaluators import Evaluators
from pipeline.first_references import FirstReferences
from pipeline.fold import Folder
from pipeline.models import ModelPlans
from pipeline.partition import PartitionState
from pipeline.progress import Beat
from pipeline.published import Published
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.state.keys import SourcePartition
from pipeline.state.packing import pack
from pipeline.state.partitions import Step, new_generation
from pipeline.state.samples import packed_parts
from pipeline.windows.watermark import NEVER

CONFIG = """
limits: {idle: 60s}
retention: {restate: 60s, history: 1h}
defaults: {windows: [10s], lateness: 0s, reference: {learn: off}}
models:
  - {name: m, task: binary, positive: "yes", labels: {horizon: 60s}}
rules:
  - {name: many, metric: rows, when: "> 3", window: 10s, severity: page}
"""
LABELS = SourcePartition("inference.labels", 0)


class Topic:
    """`monitoring.windows` and `monitoring.alerts`: what was published, by whom."""

    def __init__(self):
        self.windows = []
        self.alerts = []
        self.reads = 0

    def published(self, start):
        """Every result of the window that begins there, as (revision, rows)."""
        return [(r.revision, r.rows) for r, _, _ in self.windows if r.start == start]


class TopicReader:
    """What `WindowsLog` does, on a `Topic`."""

    def __init__(self, topic, worker):
        self._topic, self._worker = topic, worker
        self._heard = 0

    def read(self, models):
        self._topic.reads += 1
        found = {model: Published() for model in models}
        for result, at, _ in self._topic.windows:
            if result.model in found:
                found[result.model].learn(result, at)
        self._heard = len(self._topic.windows)
        return found

    def overhear(self, models):
        new, self._heard = self._topic.windows[self._heard :], len(self._topic.windows)
        return [(r, at) for r, at, by in new if by != self._worker and r.model in models]


class Partition:
    """A partition of predictions and its owner."""

    def __init__(self, rig, number):
        self.source = SourcePartition("inference.predictions", number)
        self.log = []
        self.kind = Kind.PREDICTION
        self._rig = rig
        self._start()

    def _start(self):
        self._state = PartitionState()
        self._folder = Folder(self._rig.settings, self._rig.references)
        self._generation = ""

    async def rows(self, *times, **more):
        """Append one record a time, and count it."""
        for ts in times:
            event = {"model": "m", "ts": ts, "prediction": "yes", "features": {"x": 1.0}} | more
            value = json.dumps(event).encode()
            at = self._rig.record_time()
            self.log.append(RawRecord(self.source.topic, 0, len(self.log), at, None, value, ()))
            await self._count(self.log[-1:])

    async def rebuild(self, upto=None):
        """After Redis lost all: count the log again, to an offset."""
        self._start()
        for record in self.log[:upto]:
            await self._count([record])

    async def go_on(self, first):
        """Count the log from an offset on."""
        for record in self.log[first:]:
            await self._count([record])

    async def _count(self, records):
        store = self._rig.partitions
        if not self._generation:
            self._generation = new_generation()
            await store.begin(self.source, self._generation, -1, pack(self._state.head()))
        decoder = Decoder(self.kind, self._rig.settings.limits, clock=lambda: 0)
        through = records[-1].offset
        outcome = self._folder.fold(self._state, decoder.decode(records), through)
        expected, self._generation = self._generation, new_generation()
        samples, gone = packed_parts(self._state.samples, outcome.sampled)
        step = Step(
            expected=expected,
            generation=self._generation,
            offset=through,
            head=pack(self._state.head()),
            panes={
                key: pack(self._state.panes[key].snapshot())
                for key in outcome.dirty | outcome.listed
                if key in self._state.panes
            },
            panes_gone=list(outcome.gone),
            dirty=dict.fromkeys(outcome.dirty, self._generation),
            samples=samples,
            samples_gone=gone,
        )
        assert await store.write(self.source, step)
        await self.beat()

    async def beat(self):
        beat = Beat(worker="w", end=len(self.log), last_record_at=self._rig.now_ms)
        await self._rig.partitions.beat(self.source, beat.pack(), 0)


class EvaluationRig:
    """Partitions, one labels partition, a topic, and workers that evaluate."""

    def __init__(self, partitions=1, config=CONFIG):
        self.settings = load(None, text=config)
        self.references = ReferenceCatalog()
        self.learned = []
        self.state = {}
        self._records = 10**12
        self.now_ms = 1_000_000
        self.partitions = MemoryPartitionStore()
        self.evaluations = MemoryEvaluationStore()
        self.topic = Topic()
        self.parts = [Partition(self, number) for number in range(partitions)]
        self.whole_from = NEVER

    def record_time(self):
        """Kafka's timestamp of the next record: they rise."""
        self._records += 1
        return self._records

    def lose(self):
        """FLUSHALL."""
        self.partitions.lose()
        self.evaluations.lose()

    def memory(self, model, faults):
        """The model's place in `monitoring.state`."""

        async def recall():
            return self.state.get(model)

        async def keep(state):
            took = faults.memory is None or await faults.memory(state)
            if took:
                self.state[model] = state
            return took

        return Memory(recall, keep)

    def worker(self, name="w"):
        """Something with `round()`; its `faults` stand before what it sends."""
        faults = SimpleNamespace(window=None, alert=None, reference=None, read=None, memory=None)

        async def window(result):
            if faults.window is not None:
                await faults.window(result)
            self.topic.windows.append((result, self.now_ms, name))

        async def alert(data):
            if faults.alert is not None:
                await faults.alert(data)
            self.topic.alerts.append(json.loads(data))

        async def span():
            ends = {part.source: len(part.log) for part in self.parts}
            return LogSpan({**ends, LABELS: 0}, self.whole_from)

        async def reference(profile):
            if faults.reference is not None:
                await faults.reference(profile)
            self.learned.append(profile)
            self.references.add(profile, self.record_time())

        async def references_read():
            if faults.read is not None:
                await faults.read()

        reader = TopicReader(self.topic, name)

        def open_evaluator(model, published, whole_from, closed):
            async def again():
                return reader.read([model])[model]

            return ModelEvaluator(
                ModelPlans(self.settings).of(model),
                self.settings,
                self.references,
                self.partitions,
                self.evaluations,
                published,
                Outlets(
                    window=window, alert=alert, published=again, memory=self.memory(model, faults)
                ),
                whole_from=whole_from,
                closed=closed,
            )

        evaluators = Evaluators(
            [*(part.source for part in self.parts), LABELS],
            self.partitions,
            self.evaluations,
            reader,
            EpochGate(self.evaluations, self.settings.topics.prefix),
            open_evaluator,
            span,
            lambda: self.now_ms,
            FirstReferences(
                ModelPlans(self.settings),
                self.references,
                references_read,
                self.partitions,
                [part.source for part in self.parts],
                reference,
            ).round,
        )
        evaluators.assign(lambda model: True)
        return Worker(self, evaluators, faults)


class Worker:
    """A worker's evaluators, round by round."""

    def __init__(self, rig, evaluators, faults):
        self._rig = rig
        self._evaluators = evaluators
        self.faults = faults

    async def rounds(self, number=3):
        """Rounds, with the labels partition looking up what it is asked to before each."""
        for _ in range(number):
            await self._rig_labels()
            await self.round()

    async def round(self):
        """One round; another one's claim makes it start over, as the loop does."""
        self._evaluators._overhear_at = 0.0
        await self._evaluators._round()

    async def fresh(self):
        """What the loop does after an error."""
        self._evaluators._evaluators.clear()

    async def _rig_labels(self):
        rig = self._rig
        if await rig.partitions.load(LABELS) is None:
            await rig.partitions.begin(LABELS, "l", -1, pack(PartitionState().head()))
        beat = Beat(
            worker="w",
            end=0,
            last_record_at=rig.now_ms,
            looked_up=await rig.evaluations.lookup(),
        )
        await rig.partitions.beat(LABELS, beat.pack(), 0)


assert topics.LABELS.name == LABELS.topic
