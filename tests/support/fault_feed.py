"""Input for the fault tests: batches with numbers, resent, reordered, lost; labels, corrections.

Event time runs as fast as the feed is told to, and ends well before now: windows become final as
soon as the closing rows pass them, and nothing waits for the wall clock.
"""

import json
import random
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field

from kafka import KafkaProducer

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import ARROW_STREAM, Kind
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction

PARTITIONS = 3
CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{prefix: "{prefix}", partitions: 3}}
limits: {{idle: 60s}}
retention: {{restate: 10m, history: 1h}}
defaults: {{windows: [2s, 6s/2s], lateness: 1s, reference: {{learn: off}}}}
models:
  - {{name: m, task: binary, positive: "yes", segments: [region], labels: {{horizon: 10m}}}}
  - {{name: n, task: regression, labels: {{horizon: 10m}}}}
"""


@dataclass
class Sent:
    """What was sent so far: prediction rows by what became of them, and labels."""

    rows: int = 0
    lost: int = 0
    malformed: int = 0
    labels: int = 0
    wrong: Counter[int] = field(default_factory=Counter)
    """Rows of senders whose clock was wrong, by the milliseconds."""


class FaultFeed:
    """Sends reproducible input to a real Kafka.

    Attributes:
        wrong_by: the milliseconds by which the clock of a partition's sender is wrong.
    """

    def __init__(self, settings, seed, *, began_ms=None, clock=None):
        """With a `clock` (milliseconds) event time is what it says, not ten minutes ago."""
        self._random = random.Random(seed)
        self._prefix = settings.topics.prefix
        self._producer = KafkaProducer(
            **kafka_options(settings.broker), linger_ms=5, retries=100, max_block_ms=60_000
        )
        self._numbers = dict.fromkeys(range(PARTITIONS), 0)
        self._now = began_ms or (time.time_ns() // 1_000_000 - 600_000)
        self._ids = 0
        self._earlier = []
        self._unanswered = deque()
        self._clock = clock
        self.wrong_by = {}
        self.sent = Sent()
        self.ends_before = None

    @property
    def now(self):
        """The event time that the feed has reached, milliseconds."""
        return self._now

    @property
    def in_flight(self):
        """Prediction rows that were sent and that the broker has not taken yet."""
        return sum(rows for sent, rows in list(self._unanswered) if not sent.is_done)

    def send(self, batches, *, flush=True):
        """Send some batches, each about 0.2 s of event time after the one before."""
        for _ in range(batches):
            self._now += self._random.randrange(100, 300)
            if self._clock is not None:
                self._now = self._clock()
            self._batch()
        if flush:
            self._producer.flush()

    @contextmanager
    def flowing(self, every_s=0.05, *, flush=True):
        """Batches all the while, from a thread of their own; without `flush` none is waited for."""
        stop = threading.Event()

        def send():
            while not stop.wait(every_s):
                self.send(1, flush=flush)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)

    def close(self):
        """Rows far ahead in every partition: all windows before them become final."""
        self._producer.flush()
        self.ends_before = self._now + 10_000
        self._now += 20_000
        for partition in range(PARTITIONS):
            for model in ("m", "n"):
                row = self._prediction(model, spread=0)
                self._send(topics.PREDICTIONS, write_batch(Kind.PREDICTION, [row]), partition)
                late = Latency(model=model, ts=row.ts, latency_ms=1.0)
                self._send(topics.LATENCIES, write_batch(Kind.LATENCY, [late]), partition)
                self.sent.rows += 1
        self.end()

    def end(self):
        """Nothing more; without closing rows windows become final as the partitions fall idle."""
        self._producer.flush()
        self._producer.close()

    def _batch(self):
        rnd, model = self._random, self._random.choice("mmn")
        partition = rnd.randrange(PARTITIONS)
        shift = self.wrong_by.get(partition, 0)
        rows = [self._prediction(model, shift=shift) for _ in range(rnd.randint(1, 30))]
        first = self._numbers[partition]
        self._numbers[partition] += len(rows)
        if rnd.random() < 0.04:
            self.sent.lost += len(rows)
            return
        batches = [(first, rows)]
        if rnd.random() < 0.15 and len(rows) > 1:
            # Two parts of the batch in the wrong order.
            middle = len(rows) // 2
            batches = [(first + middle, rows[middle:]), (first, rows[:middle])]
        self._earlier = [*self._earlier, *((partition, *one) for one in batches)][-20:]
        for number, part in batches:
            self._predictions(partition, number, part)
        self.sent.rows += len(rows)
        if shift:
            self.sent.wrong[shift] += len(rows)
        for _ in range(rnd.choice((0, 0, 0, 1, 1, 2))):
            self._predictions(*rnd.choice(self._earlier))
        latencies = [
            Latency(model=model, ts=row.ts, latency_ms=rnd.lognormvariate(2, 1)) for row in rows
        ]
        number = rnd.randrange(PARTITIONS)
        self._send(topics.LATENCIES, write_batch(Kind.LATENCY, latencies), number)
        for row in rows:
            self._labels(row)
        if rnd.random() < 0.2:
            self._send(topics.PREDICTIONS, b'{"model": "m", "ts": "broken"}', partition, json=True)
            self.sent.malformed += 1

    def _predictions(self, partition, number, rows):
        numbered = [("origin", b"o%d" % partition), ("seq", b"%d" % number)]
        batch = write_batch(Kind.PREDICTION, rows)
        sent = self._send(topics.PREDICTIONS, batch, partition, numbered)
        while self._unanswered and self._unanswered[0][0].is_done:
            self._unanswered.popleft()
        self._unanswered.append((sent, len(rows)))

    def _labels(self, row):
        rnd = self._random
        truths = [row.prediction if rnd.random() < 0.9 else "no"]
        if row.model == "n":
            truths = [row.prediction + rnd.gauss(0, 1)]
        if rnd.random() < 0.1:
            truths.append(truths[0] if rnd.random() < 0.5 else self._other(row))
        for n, truth in enumerate(truths):
            label = {"id": row.id, "ts": row.ts + 10 + 5 * n, "label": truth}
            self._producer.send(
                topics.LABELS.full_name(self._prefix),
                key=row.id.encode(),
                value=json.dumps(label).encode(),
            )
        self.sent.labels += len(truths)

    def _other(self, row):
        return row.prediction * 2 if row.model == "n" else "yes"

    def _send(self, topic, value, partition, headers=(), *, json=False):
        kind = [] if json else [("content-type", ARROW_STREAM.encode())]
        name = topic.full_name(self._prefix)
        headers = [*kind, *headers]
        return self._producer.send(name, value, partition=partition, headers=headers)

    def _prediction(self, model, spread=400, shift=0):
        rnd = self._random
        self._ids += 1
        return Prediction(
            id=f"i{self._ids}",
            model=model,
            ts=self._now + shift - (rnd.randrange(spread) if spread else 0),
            prediction=rnd.choice(["yes", "no"]) if model == "m" else rnd.gauss(10, 3),
            scores={"yes": rnd.random()} if model == "m" else {},
            features={"x": rnd.gauss(0, 1), "c": rnd.choice("uvw")},
            segment={"region": rnd.choice(["eu", "us"])},
        )
