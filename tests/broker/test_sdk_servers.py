"""Real servers watched from inside, before a real Kafka: answers unchanged, every event arrives."""

import json
import socket
import statistics

import pytest
from event_topics import numbers
from eventually import eventually
from served_process import COMMANDS, PREDICT, served
from sidecar_rig import free_port

pytestmark = pytest.mark.broker

TOPICS = ("inference.predictions", "inference.latencies", "inference.labels")
CLIENTS, EACH = 8, 12


@pytest.fixture
def options(kafka_bootstrap, kafka_api_version, new_topic, prefix):
    """A monitor of this test's own topics that sends at its end only."""
    for topic in TOPICS:
        new_topic(topic)
    broker = {"url": f"kafka://{kafka_bootstrap}"}
    if kafka_api_version is not None:
        broker["api_version"] = ".".join(map(str, kafka_api_version))
    return {"broker": broker, "topics": {"prefix": prefix}, "batch": {"every": "1h"}, "model": "m"}


def ask(running):
    """Of everything a little; the answers."""
    found = sorted(running.post_at_a_time(CLIENTS, EACH))
    found.append(running.post(PREDICT, {"instances": [[-1]]}))
    found.append(running.post("/v1/chat/completions", {"model": "llm", "stream": True, "n": 3}))
    found += [running.post("/told", {"n": n, "id": f"id-{n}"}) for n in range(10)]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_answers_are_unchanged_and_every_event_arrives(name, options, read_topic, tmp_path):
    with served(name, tmp_path, None) as running:
        expected = ask(running)
    with served(name, tmp_path, options) as running:
        assert ask(running) == expected
        running.abort_a_stream()
        # A server needs some pieces to see that nobody reads them.
        eventually(lambda: 'requests_total{status="4xx"} 1' in running.metrics())
        assert running.stop() < 20
        log = running.log.read_text()
    predictions = read_topic("inference.predictions")
    latencies = read_topic("inference.latencies")
    labels = read_topic("inference.labels")

    served_rows = [row for row in predictions if row["id"] is None]
    assert len(served_rows) == CLIENTS * EACH * 2
    assert sorted(row["id"] for row in predictions if row["id"]) == [f"id-{n}" for n in range(10)]
    assert len(labels) == 10
    (failed,) = (row for row in latencies if row["status"] == 500)
    assert failed["error"] == "upstream_5xx"
    (gone,) = (row for row in latencies if row["status"] == 499)
    assert (gone["error"], gone["model"]) == ("client_closed", "llm")
    (stream,) = (row for row in latencies if row["model"] == "llm" and row["status"] == 200)
    assert stream["ttft_ms"] is not None
    assert len(latencies) == CLIENTS * EACH + 3
    for rows in (predictions, latencies):
        for seen in numbers(rows).values():
            assert seen == set(range(len(seen)))
    assert "inferwatch" not in log


def test_each_forked_worker_is_a_sender_of_its_own(options, read_topic, tmp_path):
    with served("gunicorn", tmp_path, options) as running:
        running.post_at_a_time(CLIENTS, EACH)
        running.stop()
    origins = {row["origin"] for row in read_topic("inference.latencies")}
    pids = {int(origin.split("-")[-2]) for origin in origins}
    assert 1 <= len(origins) == len(pids) <= 2
    assert running.process.pid not in pids, "the server itself has served nothing"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("away", ["refused", "black hole"])
def test_without_a_broker_the_answers_are_the_same(name, away, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        port = free_port() if away == "refused" else black_hole.getsockname()[1]
        options = {"broker": f"127.0.0.1:{port}", "model": "m", "queue": "64KiB"}
        with served(name, tmp_path, options) as running:
            found = running.post_at_a_time(CLIENTS, EACH)
            told = running.post("/told", {"n": 1, "id": "x"})
            took = running.stop()
    assert len(found) == CLIENTS * EACH
    assert {status for status, _ in found} == {200}
    assert all(len(json.loads(body)["predictions"]) == 2 for _, body in found)
    assert told == (200, b'{"id":"x"}')
    assert statistics.median(running.times) < 0.25
    assert took < 20
    log = running.log.read_text()
    assert "Traceback" not in log
    assert log.count("does not take events") <= 3, "one line a process"
