"""How much memory do 100 models take, in the worker and in Redis?

    python -m benchmarks.worker_memory [--models 100] [--minutes 240] [--features 20]

Each model has windows of a minute and of a day, so that every pane of the day is still needed: what
the worker holds in memory must not grow with them. Seeded predictions of all models (four fifths
of the features numeric, the others categorical, each model with a reference of its own) go minute
by minute through a real Kafka; one `inferwatch worker` counts them. Beside each figure stands what
the panes would take if all of them lay decoded in memory, as this process measures it of some. At
the end the windows in `monitoring.windows` must hold every row once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psutil
import pyarrow as pa
import redis

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from kafka import KafkaConsumer, KafkaProducer
from kafka_server import KafkaServer

from benchmarks.worker import MINUTE, PARTITIONS, lag
from inferwatch.embedded.redis import EmbeddedRedis
from inferwatch.events.json_codec import dumps
from inferwatch.events.kinds import ARROW_STREAM
from inferwatch.events.reference import ReferenceProfile
from inferwatch.settings import load
from pipeline.columns import Column
from pipeline.models import ModelPlans
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.state.packing import unpack
from pipeline.windows.pane import Pane, PaneKey

ROWS = 20
"""Of one model, a minute."""

BEGAN = 1_764_028_800_000
CATEGORIES = tuple(f"v{k}" for k in range(20))
CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{partitions: {partitions}}}
limits: {{idle: 3s, future: 3650d}}
defaults: {{windows: [1m, 1d], lateness: 1s, reference: {{learn: off}}}}
models: [{{name: "*", task: multiclass, classes: [a, b, c]}}]
"""


def features(rng: np.random.Generator, many: int, rows: int) -> dict[str, Any]:
    """Seeded features: numbers, and codes of categories."""
    numeric = many * 4 // 5
    found: dict[str, Any] = {f"n{i}": rng.normal(size=rows) + i for i in range(numeric)}
    for i in range(many - numeric):
        found[f"c{i}"] = rng.integers(0, 20, rows, np.int32)
    return found


def references(models: int, many: int) -> Iterator[ReferenceProfile]:
    """A reference of each model, of 5,000 rows."""
    for n in range(models):
        columns = {
            name: Column(5_000, numbers=values)
            if name.startswith("n")
            else Column(5_000, codes=values, texts=CATEGORIES)
            for name, values in features(np.random.default_rng(n), many, 5_000).items()
        }
        yield profile_of(columns, BuildSpec(model=f"m{n}", version="1"))


def record(models: range, many: int, minute: int) -> bytes:
    """The rows of these models in a minute."""
    rows = len(models) * ROWS
    rng = np.random.default_rng((minute, models.start))
    columns: dict[str, Any] = {
        "model": pa.array([f"m{n}" for n in models for _ in range(ROWS)]).dictionary_encode(),
        "ts": pa.array(BEGAN + minute * MINUTE + rng.integers(0, MINUTE, rows)),
        "prediction": pa.array(rng.choice(["a", "b", "c"], rows)).dictionary_encode(),
    }
    for name, values in features(rng, many, rows).items():
        is_text = name.startswith("c")
        columns[f"features.{name}"] = (
            pa.DictionaryArray.from_arrays(values, CATEGORIES) if is_text else pa.array(values)
        )
    fields = [(name, column.type) for name, column in columns.items()]
    schema = pa.schema(fields, metadata={"version": "1"})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))
    return bytes(sink.getvalue().to_pybytes())


def decoded_bytes(url: str, known: dict[str, ReferenceProfile], plans: ModelPlans) -> float:
    """The mean size in memory of a pane that Redis holds, decoded."""
    client = redis.Redis.from_url(url)
    found = client.hgetall("inferwatch:{inference.predictions:0}:panes")
    some = list(found.items())[:: max(1, len(found) // 200)]
    sizes = []
    for key, data in some:
        rules = plans.of(PaneKey.parse(key.decode()).model).counting
        sizes.append(Pane.restore(unpack(data, "a pane"), known, rules).nbytes)
    return sum(sizes) / len(sizes)


def told(broker: str) -> int:
    """The rows in the published windows of a minute, each at its highest revision."""
    consumer = KafkaConsumer(
        "monitoring.windows",
        bootstrap_servers=broker,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2_000,
    )
    best: dict[tuple[str, int], tuple[int, int]] = {}
    for sent in consumer:
        window = orjson.loads(sent.value)
        if window["window"] == "1m":
            key, found = (window["model"], window["start"]), (window["revision"], window["rows"])
            best[key] = max(best.get(key, found), found)
    consumer.close()
    return sum(rows for _, rows in best.values())


def main() -> None:
    """Fill minute by minute, and print what it takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--minutes", type=int, default=240)
    parser.add_argument("--features", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        kafka = KafkaServer(tmp / "kafka").start()
        try:
            with EmbeddedRedis(tmp / "redis") as server:
                run(tmp, kafka.bootstrap, server.url, options)
        finally:
            kafka.stop()


def run(tmp: Path, broker: str, url: str, options: argparse.Namespace) -> None:
    """One run on a fresh Kafka and Redis."""
    config = tmp / "inferwatch.yaml"
    config.write_text(CONFIG.format(broker=broker, redis=url, partitions=PARTITIONS))
    command = [sys.executable, "-m", "inferwatch"]
    subprocess.run(
        [*command, "topics", "create", "-c", str(config)], check=True, capture_output=True
    )
    producer = KafkaProducer(
        bootstrap_servers=broker, compression_type="lz4", max_request_size=2_000_000
    )
    profiles = list(references(options.models, options.features))
    for profile in profiles:
        key = f"{profile.model}/{profile.version}/{profile.fingerprint}".encode()
        producer.send("monitoring.references", dumps(profile), key)
    producer.flush()
    known = {profile.fingerprint: profile for profile in profiles}
    plans = ModelPlans(load(str(config)))
    log = (tmp / "worker.log").open("w")
    worker = subprocess.Popen([*command, "worker", "-c", str(config)], stderr=log)
    process = psutil.Process(worker.pid)
    share = -(-options.models // PARTITIONS)
    print(f"{options.models} models of {options.features} features; windows of a minute and a day")
    print("minutes    panes   worker   if all were decoded   Redis")
    try:
        sent = 0
        for minute in range(options.minutes):
            for partition in range(PARTITIONS):
                models = range(options.models)[partition * share : (partition + 1) * share]
                data = record(models, options.features, minute)
                headers = [
                    ("content-type", ARROW_STREAM.encode()),
                    ("origin", f"origin-{partition}".encode()),
                    ("seq", str(minute * len(models) * ROWS).encode()),
                ]
                producer.send("inference.predictions", data, partition=partition, headers=headers)
                sent += len(models) * ROWS
            if (minute + 1) % max(1, options.minutes // 6) == 0:
                producer.flush()
                while lag(config) != (0, sent):
                    time.sleep(1.0)
                panes = (minute + 1) * options.models
                resident = process.memory_info().rss
                apart = decoded_bytes(url, known, plans) * panes
                used = redis.Redis.from_url(url).info("memory")["used_memory"]
                print(
                    f"{minute + 1:7d} {panes:8,d} {resident / 1e6:5.0f} MB {apart / 1e6:17,.0f} MB "
                    f"{used / 1e6:6.0f} MB",
                    flush=True,
                )
        while told(broker) != sent:
            time.sleep(1.0)
        print(f"every one of {sent:,} rows is in exactly one window")
    finally:
        worker.terminate()
        worker.wait()
        log.close()
        producer.close()


if __name__ == "__main__":
    main()
