"""The rig of the bridge's broker tests: foreign topics, bridges, and what a worker counts."""

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import orjson
from eventually import eventually
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from topic_maker import make_topic

from inferwatch import topics
from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from inferwatch.topics import consumer_group
from pipeline.decode import Decoder
from pipeline.fold import Folder
from pipeline.log import raw_record
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.windows.sequence import OriginSequence

CONFIG = """
broker: {{url: "kafka://{broker}"}}
topics: {{prefix: "{prefix}", partitions: 4}}
limits: {{future: 3650d}}
retention: {{restate: 3650d, history: 3650d}}
defaults: {{windows: [1h], lateness: 1h}}
{start}
bridge:
  topics:
{topics}
"""

DESTINATIONS = {
    Kind.PREDICTION: topics.PREDICTIONS,
    Kind.LATENCY: topics.LATENCIES,
    Kind.RESOURCE: topics.RESOURCES,
    Kind.LABEL: topics.LABELS,
}


class BridgeRig:
    """One test's topics and config, and the bridges that it started."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str, bridged: str, start="") -> None:
        """`bridged`: the lines of `bridge.topics`, where {p} stands for the prefix."""
        self.bootstrap, self.prefix = bootstrap, prefix
        self.path = folder / "inferwatch.yaml"
        lines = "\n".join(f"    - {line.replace('{p}', prefix)}" for line in bridged.split("\n"))
        self.path.write_text(
            CONFIG.format(broker=bootstrap, prefix=prefix, topics=lines, start=start)
        )
        self.settings = load(str(self.path))
        self.log = folder / "bridge.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        for topic in (*topics.INPUTS, topics.DEADLETTER):
            make_topic(bootstrap, topic.full_name(prefix), partitions=4)

    def source(self, name: str, partitions: int = 3, **config: str) -> str:
        """A foreign topic."""
        return make_topic(self.bootstrap, self.prefix + name, partitions=partitions, config=config)

    def send(self, topic: str, events, *, headers=None, partitions: int = 3, **options) -> None:
        """Send events, or raw bytes, each to the next partition."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=20, **options)
        for index, event in enumerate(events):
            value = event if isinstance(event, bytes) or event is None else orjson.dumps(event)
            producer.send(topic, value, partition=index % partitions, headers=headers)
        producer.flush()
        producer.close()

    def start(self) -> subprocess.Popen[bytes]:
        """A bridge of its own process."""
        command = [sys.executable, "-m", "inferwatch", "bridge", "-c", str(self.path)]
        with self.log.open("a") as log:
            process = subprocess.Popen(command, stderr=log, start_new_session=True)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def said(self) -> str:
        """What the bridges logged."""
        return self.log.read_text() if self.log.exists() else ""

    def done(self, topic: str) -> bool:
        """Whether the group has committed everything that the topic holds."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=consumer_group(self.prefix, "bridge")
        )
        try:
            numbers = consumer.partitions_for_topic(topic)
            parts = [TopicPartition(topic, number) for number in numbers]
            ends = consumer.end_offsets(parts)
            return all((consumer.committed(part) or 0) == ends[part] for part in parts)
        finally:
            consumer.close()

    def wait_until_done(self, topic: str, timeout_s: float = 60.0) -> None:
        """Wait until all of a topic is republished and committed."""
        try:
            eventually(lambda: self.done(topic), timeout_s, every_s=0.3)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.said()[-3000:]}") from None

    def records_sent(self) -> int:
        """How many records of predictions there are so far; cheap."""
        topic = topics.PREDICTIONS.full_name(self.prefix)
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap)
        try:
            return sum(consumer.end_offsets([TopicPartition(topic, n) for n in range(4)]).values())
        finally:
            consumer.close()

    def rows_sent(self) -> int:
        """Rows on the topic of predictions so far, repeated ones too."""
        return sum(
            int(chunk.rows.size)
            for _, decoded in self.decoded(Kind.PREDICTION)
            for chunk in decoded.chunks
        )

    def decoded(self, kind: Kind):
        """By partition of a destination, all its records as a worker decodes them."""
        topic = DESTINATIONS[kind].full_name(self.prefix)
        decoder = Decoder(kind, self.settings.limits, clock=lambda: 0)
        for number, records in read_all(self.bootstrap, topic).items():
            yield number, decoder.decode([raw_record(record) for record in records])

    def counted(self, kind: Kind) -> tuple[Counter[str | None], int]:
        """(how often a worker counts each id, how many rows were sent in all)."""
        ids: Counter[str | None] = Counter()
        sent = 0
        for _, decoded in self.decoded(kind):
            assert not decoded.rejected, decoded.rejected[:3]
            seen: dict[str, OriginSequence] = {}
            for chunk in decoded.chunks:
                assert chunk.sparse and chunk.origin and chunk.rows.seq is not None
                origin = seen.setdefault(chunk.origin, OriginSequence(sparse=True))
                fresh = origin.admit(chunk.rows.seq, lambda row: "", from_start=True).fresh
                names = getattr(chunk.rows, "ids", None) or (None,) * chunk.rows.size
                ids.update(name for name, new in zip(names, fresh, strict=True) if new)
                sent += chunk.rows.size
        return ids, sent

    def folded(self) -> tuple[int, int, int]:
        """(rows, duplicates, lost) of the predictions, as a worker's fold counts them."""
        folder = Folder(self.settings, ReferenceCatalog())
        totals = [0, 0, 0]
        for _, decoded in self.decoded(Kind.PREDICTION):
            state = PartitionState()
            folder.fold(state, decoded, 0)
            found = state.totals
            totals = [
                totals[0] + found.rows,
                totals[1] + found.duplicates,
                totals[2] + found.lost,
            ]
        return totals[0], totals[1], totals[2]

    def dead_letters(self) -> list[dict]:
        """What was rejected."""
        topic = topics.DEADLETTER.full_name(self.prefix)
        found = read_all(self.bootstrap, topic).values()
        return [orjson.loads(record.value) for records in found for record in records]


def read_all(bootstrap: str, topic: str) -> dict[int, list]:
    """Every record of a topic, by partition."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        parts = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        found: dict[int, list] = {part.partition: [] for part in parts}
        while any(consumer.position(part) < ends[part] for part in parts):
            for part, records in consumer.poll(timeout_ms=500).items():
                found[part.partition].extend(records)
        return found
    finally:
        consumer.close()
