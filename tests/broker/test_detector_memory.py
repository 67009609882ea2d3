"""What detectors learned, written to a real `monitoring.state` and read back by another worker."""

import asyncio

import pytest
from kafka import KafkaProducer

from inferwatch.settings import load
from pipeline.detector_memory import DetectorTopic

pytestmark = pytest.mark.broker


class Wire:
    """Sends with kafka-python, and waits for the broker."""

    def __init__(self, bootstrap, api_version):
        version = {} if api_version is None else {"api_version": api_version}
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, **version)

    async def send(self, topic, key, value, partition=None, headers=()):
        future = self._producer.send(topic, key=key, value=value)
        await asyncio.to_thread(future.get, 10)

    def close(self):
        self._producer.close()


@pytest.fixture
def wire(kafka_bootstrap, kafka_api_version):
    made = Wire(kafka_bootstrap, kafka_api_version)
    yield made
    made.close()


async def test_the_newest_state_of_each_model_is_read_back(
    new_topic, kafka_bootstrap, prefix, wire
):
    name = new_topic("monitoring.state", config={"cleanup.policy": "compact"})
    settings = load(
        None, text=f"{{broker: {{url: 'kafka://{kafka_bootstrap}'}}, topics: {{prefix: {prefix}}}}}"
    )
    writer = DetectorTopic(settings, wire, lambda: "an epoch")
    for model, state in (("m", b"old"), ("other/m", b"another"), ("m", b"new")):
        await writer.of(model).keep(state)
    await wire.send(name, b"silence/m", b"1 {}")
    reader = DetectorTopic(settings, wire, lambda: "an epoch")
    found = [await reader.of(model).recall() for model in ("m", "other/m", "unknown")]
    assert found == [b"new", b"another", None]
