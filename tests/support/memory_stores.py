"""The stores of the engine's state in memory: what the unit tests run on instead of Redis.

They pass the same tests as the ones on Redis (tests/unit/state).
"""

from pipeline.state.partitions import StoredPartition, new_generation


class MemoryPartitionStore:
    """`PartitionStore`, in memory; `lose()` forgets everything, as FLUSHALL does."""

    def __init__(self):
        self._held = {}
        self._marks = {}
        self._beats = {}

    def lose(self):
        self._held.clear()
        self._marks.clear()
        self._beats.clear()

    async def load(self, source):
        held = self._held.get(source)
        if held is None:
            return None
        generation, offset, head, panes, labels, samples = held
        return StoredPartition(
            generation=generation,
            offset=offset,
            head=head,
            panes=frozenset(panes),
            labels=dict(labels),
            samples=dict(samples),
        )

    async def begin(self, source, generation, offset, head):
        if source in self._held:
            return False
        self._held[source] = (generation, offset, head, {}, {}, {})
        return True

    async def generation(self, source):
        return self._held[source][0] if source in self._held else None

    async def write(self, source, step):
        held = self._held.get(source)
        if held is None or held[0] not in (step.expected, step.generation):
            return False
        if held[0] == step.generation:
            return True
        panes, labels = {**held[3], **step.panes}, {**held[4], **step.labels}
        samples = {**held[5], **step.samples}
        for gone in step.panes_gone:
            panes.pop(gone, None)
        for gone in step.labels_gone:
            labels.pop(gone, None)
        for gone in step.samples_gone:
            samples.pop(gone, None)
        self._held[source] = (step.generation, step.offset, step.head, panes, labels, samples)
        self._marks.setdefault(source, {}).update(step.dirty)
        return True

    async def beat(self, source, live, ttl_ms):
        self._beats[source] = live

    async def marks(self, sources):
        return [dict(self._marks.get(source, {})) for source in sources]

    async def mark(self, source, panes):
        self._marks.setdefault(source, {}).update(dict.fromkeys(panes, new_generation()))

    async def clean(self, source, marks):
        held = self._marks.get(source, {})
        for name, token in marks.items():
            if held.get(name) == token:
                del held[name]

    async def progress(self, sources):
        return [
            (*self._held.get(source, (None, None, None))[1:3], self._beats.get(source))
            for source in sources
        ]

    async def panes(self, sources, fields):
        found = []
        for source in sources:
            _, offset, _, panes, *_ = self._held.get(source, (None, None, None, {}))
            found.append((offset, [panes.get(field) for field in fields]))
        return found

    async def samples(self, sources, fields):
        held = [self._held.get(source, (None,) * 5 + ({},))[5] for source in sources]
        return [{field: one[field] for field in fields if field in one} for one in held]


class MemoryEvaluationStore:
    """`EvaluationStore`, in memory."""

    def __init__(self):
        self.lose()

    def lose(self):
        self._models = {}
        self._closed = {}
        self._epoch = None
        self._lookup = ""

    async def claim(self, model, generation):
        _, state, pending, outbox = self._models.get(model, ("", None, {}, []))
        self._models[model] = (generation, state, pending, outbox)
        return state, list(pending), list(outbox)

    async def holds(self, model, generation):
        return self._models.get(model, ("",))[0] == generation

    async def generations(self, models):
        return [self._models.get(model, (None,))[0] for model in models]

    async def add_pending(self, model, generation, windows):
        held = self._models.get(model)
        if held is None or held[0] != generation:
            return False
        held[2].update(dict.fromkeys(windows))
        return True

    async def write(self, model, *, expected, generation, state, done, alerts):
        held = self._models.get(model)
        if held is None or held[0] not in (expected, generation):
            return False
        if held[0] == generation:
            return True
        pending = {window: None for window in held[2] if window not in set(done)}
        self._models[model] = (generation, state, pending, [*held[3], *alerts])
        return True

    async def sent(self, model, alert):
        self._models[model][3].remove(alert)

    async def epoch(self, fresh):
        self._epoch = self._epoch or fresh
        return self._epoch

    async def held_epoch(self):
        return self._epoch

    async def call_lookup(self, epoch):
        self._lookup = epoch

    async def lookup(self):
        return self._lookup

    async def say_closed(self, closed):
        self._closed.update(closed)

    async def closed(self):
        return dict(self._closed)


class MemoryKeptStore:
    """`KeptStore`, in memory."""

    def __init__(self):
        self.rows = {}

    async def keep(self, source, rows):
        for row in rows:
            self.rows[source, row.offset, row.row] = row
        return ""

    async def find(self, wanted):
        return {}
