"""A worker killed at any time changes no count in any window: live results equal a recompute."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import orjson
import pytest
from eventually import eventually
from kafka import KafkaProducer
from log_files import write_log
from recompute import differences, highest, read_topic, recompute

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import ARROW_STREAM, Kind
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.settings import load
from pipeline.replay.backtest import Inputs, backtest

pytestmark = [pytest.mark.broker, pytest.mark.slow]

CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{prefix: "{prefix}", partitions: 3}}
limits: {{idle: 3s}}
retention: {{restate: 10m, history: 1h}}
defaults: {{windows: [2s, 6s/2s], lateness: 1s, reference: {{learn: off}}}}
models:
  - {{name: m, task: binary, positive: "yes", segments: [region], labels: {{horizon: 10m}}}}
"""


class Sender(threading.Thread):
    """Sends predictions, latencies and labels: batches with numbers, resends, single events."""

    def __init__(self, settings, seed, seconds):
        super().__init__(daemon=True)
        self._random = random.Random(seed)
        self._settings = settings
        self._until = time.monotonic() + seconds
        self.sent = 0
        self.broken = 0

    def run(self):
        producer = KafkaProducer(**kafka_options(self._settings.broker), linger_ms=5)
        prefix = self._settings.topics.prefix
        numbers = dict.fromkeys(range(3), 0)
        while time.monotonic() < self._until:
            partition = self._random.randrange(3)
            rows = [self._prediction() for _ in range(self._random.randint(1, 40))]
            headers = [
                ("content-type", ARROW_STREAM.encode()),
                ("origin", f"o{partition}".encode()),
                ("seq", str(numbers[partition]).encode()),
            ]
            batch = write_batch(Kind.PREDICTION, rows)
            name = topics.PREDICTIONS.full_name(prefix)
            for _ in range(2 if self._random.random() < 0.2 else 1):
                producer.send(name, batch, partition=partition, headers=headers)
            numbers[partition] += len(rows)
            self.sent += len(rows)
            latencies = [
                Latency(model="m", ts=row.ts, latency_ms=self._random.lognormvariate(2, 1))
                for row in rows
            ]
            producer.send(topics.LATENCIES.full_name(prefix), write_batch(Kind.LATENCY, latencies))
            for row in rows:
                for _ in range(2 if self._random.random() < 0.1 else 1):
                    label = {"id": row.id, "ts": row.ts + 10, "label": self._truth(row)}
                    producer.send(
                        topics.LABELS.full_name(prefix),
                        key=row.id.encode(),
                        value=json.dumps(label).encode(),
                    )
            producer.send(name, b'{"model": "m", "ts": "broken"}')
            self.broken += 1
            time.sleep(0.03)
        producer.flush()
        producer.close()

    def _prediction(self):
        self.sent_id = getattr(self, "sent_id", 0) + 1
        return Prediction(
            id=f"i{self.sent_id}",
            model="m",
            ts=time.time_ns() // 1_000_000 - self._random.randrange(400),
            prediction=self._random.choice(["yes", "no"]),
            scores={"yes": self._random.random()},
            features={"x": self._random.gauss(0, 1), "c": self._random.choice("uvw")},
            segment={"region": self._random.choice(["eu", "us"])},
        )

    def _truth(self, row):
        return row.prediction if self._random.random() < 0.9 else "no"


@pytest.fixture
def settings(tmp_path, real_kafka, redis_server, prefix):
    text = CONFIG.format(broker=real_kafka.bootstrap, redis=redis_server.url, prefix=prefix)
    path = tmp_path / "inferwatch.yaml"
    path.write_text(text)
    command = [sys.executable, "-m", "inferwatch", "topics", "create", "-c", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return load(str(path)), path


def start_worker(path, log):
    argv = [sys.executable, "-m", "inferwatch", "worker", "-c", str(path)]
    with log.open("a") as output:
        return subprocess.Popen(argv, stderr=output, stdout=subprocess.DEVNULL)


def assert_replay_says_the_same(config, inputs, want, folder):
    """The same events as files, merged into one partition, make the same windows."""
    out = io.BytesIO()
    files = Inputs(**write_log(folder, inputs))
    outcome = backtest(config, files, now_ms=time.time_ns() // 1_000_000, windows=out)
    assert outcome.summary.too_late == 0
    got = highest(orjson.loads(line) for line in out.getvalue().splitlines())
    wrong = [
        f"{key}: {line}"
        for key in want.keys() | got.keys()
        for line in differences(got.get(key), want.get(key))
    ]
    assert not wrong, f"{len(wrong)} differences, such as {wrong[:5]}"


@pytest.mark.timeout(240)
def test_kill_9_changes_no_count(settings, tmp_path):
    config, path = settings
    log = tmp_path / "workers.log"
    workers = [start_worker(path, log) for _ in range(2)]
    in_flight = []
    try:
        sender = Sender(config, seed=7, seconds=48)
        sender.start()
        rnd = random.Random(3)
        while sender.is_alive():
            time.sleep(rnd.uniform(9, 13))
            victim = rnd.randrange(2)
            before = sender.sent
            os.kill(workers[victim].pid, signal.SIGKILL)
            workers[victim].wait()
            workers[victim] = start_worker(path, log)
            in_flight.append(sender.sent - before)
        sender.join()
        inputs = {topic: read_topic(config, topic) for topic in topics.INPUTS}
        want = recompute(config, inputs)
        assert_replay_says_the_same(config, inputs, want, tmp_path)

        def settled():
            records = read_topic(config, topics.WINDOWS)
            windows = [orjson.loads(r.value) for part in records.values() for r in part]
            got = highest(windows)
            wrong = [
                f"{key}: {line}"
                for key in want.keys() | got.keys()
                for line in differences(got.get(key), want.get(key))
            ]
            assert not wrong, f"{len(wrong)} differences, such as {wrong[:5]}"
            return got

        got = eventually(settled, timeout_s=90, every_s=1.0)
    finally:
        for worker in workers:
            worker.terminate()
        codes = [worker.wait(15) for worker in workers]
    rows = sum(w["rows"] for w in got.values() if w["window"] == "2s" and w["segment"] is None)
    labelled = sum(
        w["quality"]["labelled"]
        for w in got.values()
        if w["window"] == "2s" and w["segment"] is None
    )
    letters = [r for part in read_topic(config, topics.DEADLETTER).values() for r in part]
    reasons = {orjson.loads(letter.value)["reason"] for letter in letters}
    assert reasons == {"malformed"}
    assert len({letter.key for letter in letters}) == sender.broken > 100
    print(f"{rows} rows, {len(in_flight)} kills, {len(got)} windows equal in every field")
    assert codes == [0, 0]
    assert len(in_flight) >= 3
    assert rows == labelled == sender.sent > 1_000
