"""A program that forks and ends, before a real Kafka: every process's events arrive, once."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import telling_processes
from event_topics import numbers

pytestmark = pytest.mark.broker


def test_every_process_sends_at_its_end(
    kafka_bootstrap, kafka_api_version, new_topic, prefix, read_topic
):
    for topic in ("inference.predictions", "inference.latencies"):
        new_topic(topic)
    broker = {"url": f"kafka://{kafka_bootstrap}"}
    if kafka_api_version is not None:
        broker["api_version"] = ".".join(map(str, kafka_api_version))
    options = {"broker": broker, "topics": {"prefix": prefix}, "batch": {"every": "1h"}}
    done = subprocess.run(
        [sys.executable, Path(telling_processes.__file__), json.dumps({**options, "model": "m"})],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = Counter(int(line) for line in done.stdout.split())
    assert sorted(told.values()) == [1, 1, 3]

    predictions = read_topic("inference.predictions")
    by_process = Counter(int(row["features.pid"]) for row in predictions)
    assert by_process == {pid: count * telling_processes.ROWS for pid, count in told.items()}
    senders = {(row["features.pid"], row["origin"]) for row in predictions}
    assert len(senders) == len({origin for _, origin in senders}) == 3
    for rows in (predictions, read_topic("inference.latencies")):
        for seen in numbers(rows).values():
            assert seen == set(range(len(seen)))
