"""`kafka_configs` on the run's Kafka: a record for each alert, and each way not to get one."""

import json
import subprocess
import sys

import pytest
from alert_story import BEGIN, alert_event
from eventually import eventually
from kafka import KafkaConsumer
from messages import channel, message
from notifier_process import Process

from consumers.notifier.channels.interface import Permanent, Retryable
from inferwatch.errors import UsageError
from inferwatch.settings import load

pytestmark = pytest.mark.broker


@pytest.fixture
def settings(configure, tmp_path):
    configure([{"name": "ops", "console_configs": [{}]}])
    return load(str(tmp_path / "config.yaml"))


@pytest.fixture
def records(kafka_bootstrap, kafka_api_version):
    options = {} if kafka_api_version is None else {"api_version": kafka_api_version}
    consumer = KafkaConsumer(
        bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest", group_id=None, **options
    )

    def read(topic: str, count: int) -> list:
        consumer.subscribe([topic])
        found: list = []

        def more() -> bool:
            for part in consumer.poll(timeout_ms=200).values():
                found.extend(part)
            return len(found) >= count

        eventually(more)
        return found

    yield read
    consumer.close()


async def test_each_alert_is_a_record_under_its_fingerprint(settings, new_topic, records):
    topic = new_topic("on-call", partitions=3)
    told = message(alert_event("i1"), alert_event("i2"), alert_event("i0", "resolved"))
    async with channel("kafka", settings, topic=topic) as made:
        assert (await made.send(told, BEGIN)).detail == f"written to {topic}"
        # A try whose answer was lost is the same records again.
        await made.send(told, BEGIN)
    found = records(topic, 6)
    assert {r.key for r in found} == {a.fingerprint.encode() for a in told.alerts}
    assert {r.key: json.loads(r.value) for r in found} == {
        a.fingerprint.encode(): dict(a.event) for a in told.alerts
    }
    headers = [dict(r.headers) for r in found]
    assert {h["id"] for h in headers} == {told.id.encode()}
    assert sorted(h["transition"] for h in headers)[::2] == [
        b"i0/resolved", b"i1/firing", b"i2/firing",
    ]  # fmt: skip
    assert headers[0]["receiver"] == b"ops"
    assert headers[0]["reason"] == b"first notification"
    assert headers[0]["content-type"] == b"application/json"


async def test_a_topic_that_is_not_there_is_not_made_and_tried_again(
    settings, real_kafka, prefix, new_topic
):
    topic = f"{prefix}nowhere"
    async with channel("kafka", settings, topic=topic, timeout="1s") as made:
        with pytest.raises(Retryable, match="create it"):
            await made.send(message(alert_event("i1")), BEGIN)
        new_topic("nowhere", partitions=1)
        await made.send(message(alert_event("i1")), BEGIN)


async def test_a_record_that_is_too_large_is_final(settings, new_topic):
    topic = new_topic("on-call", partitions=1)
    big = alert_event("i1", evidence=[{"text": "y" * 2_000_000, "metric": "x"}])
    async with channel("kafka", settings, topic=topic) as made:
        with pytest.raises(Permanent, match="refused it"):
            await made.send(message(big), BEGIN)


async def test_a_broker_that_is_away_is_tried_again(settings):
    away = load(None, text="broker: {url: 'kafka://127.0.0.1:1'}")
    async with channel("kafka", away, topic="t", timeout="500ms") as made:
        with pytest.raises(Retryable, match="took nothing"):
            await made.send(message(alert_event("i1")), BEGIN)


async def test_an_embedded_broker_has_no_address():
    with pytest.raises(UsageError, match="receiver 'ops'.*inferwatch up"):
        async with channel("kafka", load(None, text="broker: {url: embedded}"), topic="t"):
            pass


def test_the_notifier_sends_to_a_topic_and_receivers_test_tries_it(
    alerts, configure, new_topic, records, tmp_path
):
    topic = new_topic("on-call", partitions=2)
    configure([{"name": "ops", "kafka_configs": [{"topic": topic}]}])
    command = [sys.executable, "-m", "inferwatch", "receivers", "test", "ops"]
    said = subprocess.run(
        [*command, "-c", str(tmp_path / "config.yaml")], capture_output=True, text=True, timeout=60
    )
    assert said.stdout == f"kafka_configs[0]: ok, written to {topic}\n"
    with Process(tmp_path) as notifier:
        eventually(lambda: "reading alerts from" in notifier.log.read_text())
        alerts(alert_event("i1"), alert_event("i1", "resolved"))
        found = records(topic, 3)
        assert notifier.stop() < 5
    events = [json.loads(r.value) for r in found]
    assert [e["status"] for e in events if e["incident"] == "i1"] == ["firing", "resolved"]
    assert any(e["rule"] == "inferwatch-test" for e in events)
