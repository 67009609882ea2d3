"""More models, versions and segments than the limits allow: live, killed, and replayed the same."""

import json
import random
import subprocess
import sys
import time

import pytest
from commit_rig import CommitRig
from eventually import eventually
from kafka import KafkaProducer
from live_results import LiveResults
from recompute import differences, highest

from inferwatch import topics
from inferwatch.broker import kafka_options

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]

PARTITIONS = 3
CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{prefix: "{prefix}", partitions: 3}}
limits: {{idle: 60s, models: 3, segments: 3}}
retention: {{restate: 10m, history: 1h}}
defaults: {{windows: [2s, 6s/2s], lateness: 1s, reference: {{learn: off}}}}
models:
  - {{name: m, task: binary, positive: "yes", segments: [region], labels: {{horizon: 10m}}}}
  - {{name: "*", task: binary, positive: "yes", labels: {{horizon: 10m}}}}
"""


def made(rnd, began):
    """Rows, requests and labels of half a minute: (topic, partition) is where each goes."""
    events = {topic: [] for topic in (topics.PREDICTIONS, topics.LATENCIES, topics.LABELS)}
    for n in range(400):
        about = {
            "model": rnd.choice(["m", "m", "m", "a", "b", "c", "d"]),
            "version": rnd.choice("11234"),
            "ts": began + n * 70 - rnd.randrange(3_000),
        }
        prediction = rnd.choice(["yes", "no"])
        row = about | {"id": f"i{n}", "prediction": prediction, "features": {"x": rnd.random()}}
        row["segment"] = {"region": rnd.choice(["eu", "us", "asia", "africa", "oceania"])}
        events[topics.PREDICTIONS].append(row)
        events[topics.LATENCIES].append(about | {"latency_ms": rnd.random() * 100})
        label = {"id": f"i{n}", "ts": about["ts"] + 300, "label": rnd.choice(["yes", "no"])}
        events[topics.LABELS].append(label)
    return events


def send(settings, rnd, events):
    producer = KafkaProducer(**kafka_options(settings.broker))
    for topic, given in events.items():
        for event in given:
            producer.send(
                topic.full_name(settings.topics.prefix),
                json.dumps(event).encode(),
                partition=rnd.randrange(PARTITIONS),
            )
    producer.flush()
    producer.close()


def close(settings, ts):
    """Rows far ahead in every partition: all windows before them become final."""
    events = [{"model": model, "ts": ts, "prediction": "yes"} for model in "mabcd"]
    producer = KafkaProducer(**kafka_options(settings.broker))
    for topic, more in ((topics.PREDICTIONS, {}), (topics.LATENCIES, {"latency_ms": 1.0})):
        for partition in range(PARTITIONS):
            for event in events:
                value = json.dumps(event | more).encode()
                name = topic.full_name(settings.topics.prefix)
                producer.send(name, value, partition=partition)
    producer.flush()
    producer.close()


def replayed(rig, folder, events):
    """The windows that our own command gives for the same events."""
    out, options = folder / "windows.jsonl", []
    for option, given in zip(("predictions", "latencies", "labels"), events.values(), strict=True):
        path = folder / f"{option}.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in given))
        options += [f"--{option}", str(path)]
    command = [sys.executable, "-m", "inferwatch", "replay", "--config", str(rig.path), *options]
    subprocess.run([*command, "--windows", str(out), "--sort"], check=True, capture_output=True)
    return [json.loads(line) for line in out.read_text().splitlines()]


def told(windows, before):
    """Windows that hold something, at their highest revision, up to a time."""
    best = highest(windows)
    return {k: w for k, w in best.items() if w["end"] <= before and (w["rows"] or "latency" in w)}


def test_live_equals_replay_where_names_are_too_many(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix, CONFIG)
    rnd = random.Random(7)
    began = (time.time_ns() // 1_000_000 - 600_000) // 6_000 * 6_000
    events = made(rnd, began)
    until = began + 30_000
    half = {topic: given[:200] for topic, given in events.items()}
    try:
        send(rig.settings, rnd, half)
        driver = rig.driver("--kill", "6-write:4", "--kill", "publish:5")
        time.sleep(1)
        send(rig.settings, rnd, {topic: given[200:] for topic, given in events.items()})
        close(rig.settings, until + 60_000)
        want = told(replayed(rig, tmp_path, events), until)
        assert any(key[0] == "__other__" for key in want)
        assert any(key[1] == "__other__" for key in want if key[0] == "m")
        assert any(key[2] == "region=__other__" for key in want)
        with LiveResults(rig.settings) as live:

            def is_equal():
                got = told(live.read().values(), until)
                wrong = [
                    f"{key}: {line}"
                    for key in want.keys() | got.keys()
                    for line in differences(got.get(key), want.get(key))
                ]
                assert not wrong, f"{len(wrong)} differences: {wrong[:4]}\n{rig.tail()}"
                return True

            eventually(is_equal, 60, every_s=0.5)
        assert rig.stop(driver) == 0
    finally:
        rig.close()
