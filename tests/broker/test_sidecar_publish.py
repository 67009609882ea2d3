"""The sidecar before a real Kafka: what it publishes arrives, also when the broker dies."""

import json
import time

import pytest
from event_topics import numbers
from eventually import eventually
from sidecar_rig import answer, post, read_exactly, read_request, read_to_end, rig

pytestmark = pytest.mark.broker

TOPICS = ("inference.predictions", "inference.latencies", "inference.labels")
BODY = json.dumps({"instances": [[n, "text", None, 0.5] for n in range(3)]}).encode()
PREDICT = post("/v1/models/m:predict", BODY)
PREDICTED = answer(b'{"predictions":["a","b","a"]}')


def model_server(connection):
    held = bytearray()
    while read_request(connection, held):
        connection.sendall(PREDICTED)
    read_to_end(connection)


@pytest.fixture
def config(kafka_bootstrap, kafka_api_version, new_topic, prefix):
    for topic in TOPICS:
        new_topic(topic)
    broker = {"url": f"kafka://{kafka_bootstrap}"}
    if kafka_api_version is not None:
        broker["api_version"] = ".".join(map(str, kafka_api_version))
    return json.dumps({"broker": broker, "topics": {"prefix": prefix}})


def ask(client, times):
    for _ in range(times):
        client.sendall(PREDICT)
        assert read_exactly(client, len(PREDICTED)) == PREDICTED


def test_events_arrive_numbered_without_a_gap(config, read_topic):
    with rig(model_server, text=config, is_real=True) as running:
        with running.connect() as client:
            ask(client, 100)
        counters = running.sidecar.counters
        eventually(lambda: counters.total("rows_published_total") == 400, 30)
        origin = running.sidecar.origin
    predictions = read_topic("inference.predictions")
    assert len(predictions) == 300
    assert len(read_topic("inference.latencies")) == 100
    for (who, _), seen in numbers(predictions).items():
        assert who == origin
        assert seen == set(range(len(seen)))
    assert {row["key"] for row in predictions} == {origin.encode()}
    assert {row["features.f0"] for row in predictions} == {0, 1, 2}
    assert {row["features.f1"] for row in predictions} == {"text"}


def test_labels_by_http_arrive_in_the_partition_of_their_id(config, read_topic):
    import http.client

    with rig(model_server, text=config, is_real=True) as running:
        admin = http.client.HTTPConnection(*running.admin, timeout=10)
        for label in ("first", "second"):
            body = json.dumps([{"id": f"i{n}", "label": label} for n in range(40)])
            admin.request("POST", "/v1/labels", body, {"content-type": "application/json"})
            response = admin.getresponse()
            assert (response.status, response.read()) == (202, b'{"accepted":40}\n')
        admin.close()
        counters = running.sidecar.counters
        eventually(lambda: counters.total("rows_published_total") == 80, 30)
    where = {}
    for row in read_topic("inference.labels"):
        where.setdefault(row["id"], set()).add(row["partition"])
    assert len(where) == 40
    assert all(len(partitions) == 1 for partitions in where.values())


def test_a_broker_that_dies_and_comes_back_gets_every_row(
    real_kafka, config, read_topic, monkeypatch
):
    with rig(model_server, text=config, is_real=True) as running:
        counters = running.sidecar.counters
        with running.connect() as client:
            ask(client, 20)
            eventually(lambda: counters.total("rows_published_total") == 80, 30)
            real_kafka.kill()
            started = time.monotonic()
            try:
                ask(client, 50)
                # Traffic does not wait for the broker.
                assert time.monotonic() - started < 5
            finally:
                real_kafka.start()
        # That may take longer than a connection may be idle.
        with running.connect() as client:
            ask(client, 20)
            eventually(lambda: running.sidecar.publisher.pending_rows == 0, 60)
        dropped = counters.total("rows_dropped_total")
    assert dropped == 0
    for topic, rows in (("inference.predictions", 270), ("inference.latencies", 90)):
        found = numbers(read_topic(topic))
        assert sum(len(seen) for seen in found.values()) == rows
        for seen in found.values():
            assert seen == set(range(len(seen)))
