"""How fast do single JSON events become columnar batches?

    python -m benchmarks.bridge [--events 400000] [--faust-events 40000] [--profile]

Seeded events of 630 bytes (16 numeric and 4 categorical features, 2 scores, an id) lie one a
record, lz4, in one partition of a real Kafka. One `inferwatch bridge` republishes them; its CPU
seconds (user and system, of the whole process) are counted without those of a bridge that starts
and finds nothing to do. Beside it, in the same run, a Faust agent takes the same records, parses
each with orjson, gathers 1,024 rows and writes them with the same Arrow writer: the least that an
agent can do. Before a figure is printed every event must be found once, with its values, in what
came out. `--profile` also prints where the bridge's time goes.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from bridge_rig import BridgeRig, read_all
from kafka import KafkaProducer
from kafka_server import KafkaServer
from topic_maker import make_topic

from inferwatch.events.kinds import ARROW_STREAM, Kind
from pipeline.decode import Decoder
from pipeline.log import raw_record

NOW = 1_764_000_000_000
MAP = (
    "{topic: {p}scored, kind: prediction, map: {id: $.request_id, model: =fraud, version: $.mv, "
    "ts: $.ts, features: $.x, prediction: $.y, scores: $.proba}}"
)


def events(count: int) -> Iterator[dict[str, Any]]:
    """Foreign events, the same every time."""
    rng = random.Random(20251125)
    for number in range(count):
        yield {
            "request_id": f"01JD{number:022d}",
            "mv": "7",
            "ts": NOW + number,
            "y": rng.choice(["legit", "fraud"]),
            "x": {f"n{j}": rng.gauss(0, 1) for j in range(16)}
            | {f"c{j}": f"category-{rng.randrange(20)}" for j in range(4)},
            "proba": {"legit": rng.random(), "fraud": rng.random()},
        }


def fill(bootstrap: str, topic: str, count: int) -> float:
    """Send the events; the sum of all numeric features."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", linger_ms=50, batch_size=256 * 1024
    )
    total = 0.0
    for event in events(count):
        producer.send(topic, orjson.dumps(event), partition=0)
        total += sum(event["x"][f"n{j}"] for j in range(16))
    producer.flush()
    producer.close()
    return total


def check(rig: BridgeRig, topic: str, count: int, total: float) -> None:
    """Every event is there once, with its id and its numbers."""
    decoder = Decoder(Kind.PREDICTION, rig.settings.limits, clock=lambda: 0)
    ids: set[str] = set()
    rows, found = 0, 0.0
    for records in read_all(rig.bootstrap, topic).values():
        for record in records:
            decoded = decoder.decode([raw_record(record)])
            assert not decoded.rejected, decoded.rejected[0]
            for chunk in decoded.chunks:
                rows += chunk.rows.size
                ids.update(chunk.rows.ids)
                found += sum(float(np.sum(chunk.rows.features[f"n{j}"].numbers)) for j in range(16))
    assert rows == len(ids) == count, (rows, len(ids), count)
    assert abs(found - total) < 1e-6 * count, (found, total)


def cpu_of(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bridge(rig: BridgeRig, topic: str) -> tuple[float, float]:
    """CPU and wall seconds of a bridge until everything is republished and committed."""
    process, began = rig.start(), time.monotonic()
    rig.wait_until_done(topic, 600)
    spent, wall = cpu_of(process.pid), time.monotonic() - began
    process.terminate()
    process.wait()
    return spent, wall


def start_alone(rig: BridgeRig) -> float:
    """CPU seconds of a bridge that has nothing to do."""
    process = rig.start()
    time.sleep(5)
    spent = cpu_of(process.pid)
    process.terminate()
    process.wait()
    return spent


def faust_agent(bootstrap: str, topic: str, out: str, count: int) -> None:
    """Run a Faust agent over the topic in this process; prints its CPU seconds."""
    import faust

    from inferwatch.events.arrow_writer import write_batch
    from inferwatch.events.prediction import Prediction

    app = faust.App(
        "agent", broker=f"kafka://{bootstrap}", web_enabled=False, topic_disable_leader=True
    )
    source = app.topic(topic, value_serializer="raw")
    target = app.topic(out, value_serializer="raw")
    began = 0.0
    headers = {"content-type": ARROW_STREAM.encode()}

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def republish(stream: Any) -> None:
        nonlocal began
        rows: list[Prediction] = []
        seen = 0
        async for value in stream:
            began = began or time.process_time()
            event = orjson.loads(value)
            rows.append(
                Prediction(
                    model="fraud",
                    version=event["mv"],
                    ts=event["ts"],
                    id=event["request_id"],
                    prediction=event["y"],
                    features=event["x"],
                    scores=event["proba"],
                )
            )
            seen += 1
            if len(rows) == 1_024 or seen == count:
                await (await target.send(value=write_batch(Kind.PREDICTION, rows), headers=headers))
                rows = []
            if seen == count:
                # Faust takes sys.stdout for its log.
                os.write(1, b"\nCPU %f\n" % (time.process_time() - began))
                os._exit(0)

    faust.Worker(app, loglevel="error").execute_from_commandline()


def faust_seconds(bootstrap: str, topic: str, out: str, count: int) -> float:
    """CPU seconds of the agent, in a process of its own."""
    argv = [sys.executable, "-m", "benchmarks.bridge", "--agent", bootstrap, topic, out, str(count)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("CPU ")]
    return float(line.split()[1])


def profile() -> None:
    """Where the time goes, step by step, without a broker."""
    from kafka.record.memory_records import MemoryRecordsBuilder

    from producers.bridge.log_slices import read_batch
    from producers.bridge.packing import Packer
    from producers.bridge.parsing import parse_slice
    from producers.bridge.shaping import Shaper

    count = 3_000
    values = [orjson.dumps(event) for event in events(count)]
    builder = MemoryRecordsBuilder(2, 3, 2**30)
    for value in values:
        builder.append(NOW, None, value, [])
    builder.close()
    sources = {
        "id": "$.request_id",
        "model": "=fraud",
        "version": "$.mv",
        "ts": "$.ts",
        "features": "$.x",
        "prediction": "$.y",
        "scores": "$.proba",
    }
    shaper = Shaper(Kind.PREDICTION, sources, event_bytes=2**20, future=0)
    packer = Packer(Kind.PREDICTION, "t", 0, "out", 1, 2**20)
    records, _ = read_batch(memoryview(builder.buffer()))
    records.timestamps = [NOW + count] * count
    table, _ = shaper.shape(records)
    list(packer.pack(table))
    steps = {
        "unpack records": lambda: read_batch(memoryview(builder.buffer())),
        "parse JSON": lambda: parse_slice(records, 2**20),
        "parse and check": lambda: shaper.shape(records),
        "write columns": lambda: list(packer.pack(table)),
    }
    for name, step in steps.items():
        best = min(_seconds(step) for _ in range(15))
        print(f"  {name:<18}{best / count * 1e6:6.2f} µs an event")


def _seconds(step: Any) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def main() -> None:
    """Fill, republish, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--faust-events", type=int, default=40_000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--agent", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.agent:
        bootstrap, topic, out, count = options.agent
        faust_agent(bootstrap, topic, out, int(count))
        return
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        kafka = KafkaServer(tmp / "kafka").start()
        rig = BridgeRig(tmp, kafka.bootstrap, "", MAP)
        try:
            topic = rig.source("scored", partitions=1)
            idle = start_alone(rig)
            total = fill(kafka.bootstrap, topic, options.events)
            spent, wall = bridge(rig, topic)
            check(rig, "inference.predictions", options.events, total)
            few = make_topic(kafka.bootstrap, "few", partitions=1)
            out = make_topic(kafka.bootstrap, "agent.out", partitions=1)
            total = fill(kafka.bootstrap, few, options.faust_events)
            agent = faust_seconds(kafka.bootstrap, few, out, options.faust_events)
            check(rig, out, options.faust_events, total)
        finally:
            rig.close()
            kafka.stop()
    rate, agent_rate = options.events / (spent - idle), options.faust_events / agent
    print(f"{options.events:,} single events; every event once, with its values")
    print(f"bridge       {rate:>10,.0f} events a CPU-second ({wall:.1f} s wall, start included)")
    print(f"Faust agent  {agent_rate:>10,.0f} events a CPU-second")
    print(f"times the agent {rate / agent_rate:.1f}")
    if options.profile:
        profile()


if __name__ == "__main__":
    main()
