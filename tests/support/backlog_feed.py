"""A backlog: an hour of events in big batches, which lies in Kafka before any worker starts."""

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from kafka import KafkaProducer

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.events.kinds import ARROW_STREAM

PARTITIONS = 4
MINUTE = 60_000
BATCH_ROWS = 1_024
SPAN = 55 * MINUTE
"""From the first event to the last; the rows that close the windows come later."""

BAD_MINUTES = ((10, 15), (45, 60))
"""When the feature x is off: once for a while, and again until the end."""


@dataclass(frozen=True)
class Backlog:
    """What was sent, in prediction and latency rows: each row once, and those sent again."""

    rows: int
    latencies: int
    resent: int
    lost: int
    malformed: int
    ends_before: int


class BacklogFeed:
    """Sends a backlog by a seed: of the batches some are lost, some come twice."""

    def __init__(self, settings, seed):
        self._rng = np.random.default_rng(seed)
        self._prefix = settings.topics.prefix
        self._producer = KafkaProducer(
            **kafka_options(settings.broker),
            compression_type="lz4",
            batch_size=1_000_000,
            linger_ms=20,
            max_request_size=2_000_000,
        )

    def send(self, rows, began):
        """Send so many events from `began` (milliseconds) on, and the rows that close windows."""
        rng, numbers = self._rng, [0] * PARTITIONS
        sent = latencies = resent = lost = malformed = 0
        batches = range(0, rows, BATCH_ROWS)
        for index, first in enumerate(batches):
            n = min(BATCH_ROWS, rows - first)
            ts = began + (first + np.arange(n)) * SPAN // rows
            if index % 5 == 4:
                self._latencies(ts, index)
                latencies += n
                continue
            # After the latency batch of each five it is another partition's turn.
            partition = (index + index // 5) % PARTITIONS
            number, numbers[partition] = numbers[partition], numbers[partition] + n
            last_batches = first + 10 * BATCH_ROWS >= rows
            if rng.random() < 0.06 and not last_batches:
                lost += n
                continue
            times = 2 if rng.random() < 0.1 else 1
            for _ in range(times):
                self._predictions(ts, began, partition, number)
            sent, resent = sent + n, resent + (times - 1) * n
            if rng.random() < 0.1:
                self._send(topics.PREDICTIONS, b'{"model": "m", "ts": "broken"}', partition, [])
                malformed += 1
        self._close(began)
        return Backlog(sent, latencies, resent, lost, malformed, began + SPAN + MINUTE)

    def _close(self, began):
        """A row in each partition, far enough on that all windows before are final."""
        ts = np.array([began + SPAN + 3 * MINUTE])
        for partition in range(PARTITIONS):
            self._predictions(ts, began, partition, None)
            self._latencies(ts, partition)
        self._producer.flush()
        self._producer.close()

    def _predictions(self, ts, began, partition, number):
        rng, n = self._rng, len(ts)
        minutes = (ts - began) // MINUTE
        bad = np.any([(minutes >= a) & (minutes < b) for a, b in BAD_MINUTES], axis=0)
        region = rng.choice(["eu", "us"], n)
        columns = {
            "prediction": pa.array(rng.choice(["yes", "no"], n)).dictionary_encode(),
            "scores.yes": rng.random(n),
            "features.x": rng.normal(size=n) + np.where(bad, 10.0, 0.0),
            "features.y": rng.lognormal(size=n),
            "features.z": rng.integers(0, 50, n).astype(float),
            "features.c": pa.array(rng.choice([*"abcdefgh"], n)).dictionary_encode(),
            "segment.region": pa.array(region).dictionary_encode(),
        }
        headers = [] if number is None else [("origin", b"o"), ("seq", str(number).encode())]
        self._send(topics.PREDICTIONS, _stream(ts, columns), partition, headers)

    def _latencies(self, ts, partition):
        columns = {"latency_ms": self._rng.lognormal(2, 1, len(ts))}
        self._send(topics.LATENCIES, _stream(ts, columns), partition % PARTITIONS, [])

    def _send(self, topic, value, partition, headers):
        is_batch = not value.startswith(b"{")
        kind = [("content-type", ARROW_STREAM.encode())] if is_batch else []
        name = topic.full_name(self._prefix)
        self._producer.send(name, value, partition=partition, headers=[*kind, *headers])


def _stream(ts, columns):
    arrays = {"ts": pa.array(ts), **{name: pa.array(c) for name, c in columns.items()}}
    batch = pa.record_batch(list(arrays.values()), names=list(arrays))
    batch = batch.replace_schema_metadata({"model": "m", "version": "1"})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()
