"""How fast does a whole worker count a backlog, exactly once, from a real Kafka to Redis?

    python -m benchmarks.worker [--rows 500000] [--batch 1024]

A backlog of seeded predictions (16 numeric and 4 categorical features, float64, lz4, ids left out)
lies in a real Kafka with a published reference; one `inferwatch worker` counts it with all
statistics on. Its CPU seconds (user and system, of the whole process; it has counted a small first
backlog before, so that its start is left out) are set beside a plain loop that fetches and decodes
the same records. Before a figure is printed, the
windows in `monitoring.windows` must hold every row once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition
from kafka_server import KafkaServer

from inferwatch.embedded.redis import EmbeddedRedis
from inferwatch.events.kinds import ARROW_STREAM, Kind
from inferwatch.settings import Settings, load
from pipeline.decode import Decoder
from pipeline.log import raw_record

PARTITIONS = 4
MINUTE = 60_000
CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{partitions: {partitions}}}
limits: {{idle: 3s, future: 3650d}}
defaults: {{windows: [1m], lateness: 1s, reference: {{learn: off}}}}
models: [{{name: m, task: multiclass, classes: [a, b, c]}}]
"""


def batches(rows: int, size: int) -> list[tuple[bytes, int]]:
    """Arrow records of one model over ten minutes, and the rows of each."""
    rng = np.random.default_rng(7)
    began = 1_764_000_000_000
    made = []
    for first in range(0, rows, size):
        n = min(size, rows - first)
        columns: dict[str, Any] = {
            "ts": pa.array(began + (first + np.arange(n)) * 10 * MINUTE // rows),
            "prediction": pa.array(rng.choice(["a", "b", "c"], n)).dictionary_encode(),
        }
        for i in range(16):
            columns[f"features.n{i}"] = pa.array(rng.normal(size=n) + i)
        for i in range(4):
            names = rng.choice([f"v{k}" for k in range(20)], n)
            columns[f"features.c{i}"] = pa.array(names).dictionary_encode()
        schema = pa.schema(
            [(name, column.type) for name, column in columns.items()],
            metadata={"model": "m", "version": "1"},
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))
        made.append((sink.getvalue().to_pybytes(), n))
    return made


def fill(settings: Settings, made: list[tuple[bytes, int]], origin: str) -> None:
    """Send the records, numbered by sender and partition."""
    producer = KafkaProducer(
        bootstrap_servers=settings.broker.bootstrap,
        compression_type="lz4",
        batch_size=1_000_000,
        linger_ms=20,
        max_request_size=2_000_000,
    )
    numbers = [0] * PARTITIONS
    for index, (data, rows) in enumerate(made):
        partition = index % PARTITIONS
        headers = [
            ("content-type", ARROW_STREAM.encode()),
            ("origin", origin.encode()),
            ("seq", str(numbers[partition]).encode()),
        ]
        producer.send("inference.predictions", data, partition=partition, headers=headers)
        numbers[partition] += rows
    producer.flush()
    producer.close()


def plain_fetch_and_decode(settings: Settings) -> tuple[float, int]:
    """CPU seconds and rows of a loop that does nothing but fetch and decode."""
    decoder = Decoder(Kind.PREDICTION, settings.limits, clock=lambda: 0)
    consumer = KafkaConsumer(
        bootstrap_servers=settings.broker.bootstrap, max_poll_records=500, fetch_max_bytes=2**24
    )
    parts = [TopicPartition("inference.predictions", n) for n in range(PARTITIONS)]
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    began, rows = time.process_time(), 0
    while any(consumer.position(part) < ends[part] for part in parts):
        for records in consumer.poll(timeout_ms=500).values():
            decoded = decoder.decode([raw_record(record) for record in records])
            rows += sum(chunk.rows.size for chunk in decoded.chunks)
    spent = time.process_time() - began
    consumer.close()
    return spent, rows


def counted(settings: Settings) -> int:
    """The rows in the published windows, each at its highest revision."""
    consumer = KafkaConsumer(
        "monitoring.windows",
        bootstrap_servers=settings.broker.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=1_000,
    )
    best: dict[int, dict[str, Any]] = {}
    for record in consumer:
        window = orjson.loads(record.value)
        known = best.get(window["start"])
        if known is None or window["revision"] >= known["revision"]:
            best[window["start"]] = window
    consumer.close()
    return sum(window["rows"] for window in best.values())


def cpu_of(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lag(config: Path) -> tuple[int, int]:
    """(records to go, rows counted), by `inferwatch status`."""
    argv = [sys.executable, "-m", "inferwatch", "status", "-c", str(config), "--json"]
    status = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return status["lag"], sum(p["rows"] for p in status["partitions"])


def main() -> None:
    """Fill, count, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--batch", type=int, default=1_024)
    options = parser.parse_args()
    made = batches(options.rows, options.batch)
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        kafka = KafkaServer(tmp / "kafka").start()
        try:
            with EmbeddedRedis(tmp / "redis") as redis:
                run(tmp, kafka.bootstrap, redis.url, made, options.rows)
        finally:
            kafka.stop()


def run(tmp: Path, broker: str, redis: str, made: list[tuple[bytes, int]], rows: int) -> None:
    """One run on a fresh Kafka and Redis."""
    config = tmp / "inferwatch.yaml"
    config.write_text(CONFIG.format(broker=broker, redis=redis, partitions=PARTITIONS))
    settings = load(str(config))
    command = [sys.executable, "-m", "inferwatch"]
    subprocess.run(
        [*command, "topics", "create", "-c", str(config)], check=True, capture_output=True
    )
    log = (tmp / "worker.log").open("w")
    worker = subprocess.Popen([*command, "worker", "-c", str(config)], stderr=log)
    try:
        first = made[: len(made) // 20 + 1]
        warm = sum(n for _, n in first)
        fill(settings, first, "warm-up")
        while lag(config) != (0, warm):
            time.sleep(0.5)
        os.kill(worker.pid, signal.SIGSTOP)
        fill(settings, made, "backlog")
        before, began = cpu_of(worker.pid), time.monotonic()
        os.kill(worker.pid, signal.SIGCONT)
        while lag(config) != (0, warm + rows):
            time.sleep(0.5)
        spent, wall = cpu_of(worker.pid) - before, time.monotonic() - began
        while counted(settings) != warm + rows:
            time.sleep(0.5)
    finally:
        worker.terminate()
        worker.wait()
        log.close()
    plain, decoded = plain_fetch_and_decode(settings)
    assert decoded == warm + rows, (decoded, rows)
    plain *= rows / decoded
    print(f"{rows:,} rows in {len(made):,} records; every row in exactly one window")
    print(f"fetch and decode     {rows / plain:>12,.0f} rows a CPU-second")
    print(f"worker, exactly once {rows / spent:>12,.0f} rows a CPU-second ({wall:.1f} s)")
    print(f"share of the plain loop {plain / spent:.2f}")


if __name__ == "__main__":
    main()
