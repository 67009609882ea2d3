"""The client libraries against the broker of this run: each codec, both ways.

A codec whose library is missing does not raise: the fetch loop of the client just ends.
"""

import asyncio

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition

pytestmark = pytest.mark.broker

CODECS = ["gzip", "snappy", "lz4", "zstd"]
PAYLOAD = [f"row {i} ".encode() * 20 for i in range(100)]


@pytest.mark.parametrize("codec", CODECS)
def test_kafka_python_reads_what_it_wrote(codec, kafka_bootstrap, kafka_api_version, new_topic):
    topic = new_topic(f"codec.{codec}")
    _produce(kafka_bootstrap, kafka_api_version, topic, codec)
    assert _consume(kafka_bootstrap, kafka_api_version, topic) == PAYLOAD


@pytest.mark.parametrize("codec", CODECS)
async def test_aiokafka_reads_what_kafka_python_wrote(
    codec, kafka_bootstrap, kafka_api_version, new_topic
):
    from aiokafka import AIOKafkaConsumer
    from aiokafka import TopicPartition as Partition

    topic = new_topic(f"codec.{codec}")
    await asyncio.to_thread(_produce, kafka_bootstrap, kafka_api_version, topic, codec)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
    await consumer.start()
    try:
        consumer.assign([Partition(topic, 0)])
        await consumer.seek_to_beginning()
        values = []
        async with asyncio.timeout(20):
            while len(values) < len(PAYLOAD):
                values.append((await consumer.getone()).value)
    finally:
        await consumer.stop()
    assert values == PAYLOAD


@pytest.mark.parametrize("codec", CODECS)
async def test_kafka_python_reads_what_aiokafka_wrote(
    codec, kafka_bootstrap, kafka_api_version, new_topic
):
    from aiokafka import AIOKafkaProducer

    topic = new_topic(f"codec.{codec}")
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, compression_type=codec)
    await producer.start()
    try:
        await asyncio.gather(*[await producer.send(topic, v, partition=0) for v in PAYLOAD])
    finally:
        await producer.stop()
    values = await asyncio.to_thread(_consume, kafka_bootstrap, kafka_api_version, topic)
    assert values == PAYLOAD


def test_a_misspelt_topic_is_not_created(real_kafka, prefix):
    from kafka.errors import KafkaTimeoutError

    producer = KafkaProducer(bootstrap_servers=real_kafka.bootstrap, max_block_ms=1000)
    try:
        with pytest.raises(KafkaTimeoutError):
            producer.send(prefix + "nobody-made-me", b"x")
    finally:
        producer.close()


def test_a_killed_broker_comes_back_with_its_records(real_kafka, new_topic):
    topic = new_topic("durable")
    _produce(real_kafka.bootstrap, None, topic, None)
    real_kafka.kill()
    real_kafka.start()
    assert _consume(real_kafka.bootstrap, None, topic) == PAYLOAD


def _produce(bootstrap, api_version, topic, codec):
    options = {} if api_version is None else {"api_version": api_version}
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, **options)
    try:
        sent = [producer.send(topic, value, partition=0) for value in PAYLOAD]
        for record in sent:
            record.get(timeout=20)
    finally:
        producer.close()


def _consume(bootstrap, api_version, topic):
    options = {} if api_version is None else {"api_version": api_version}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=20_000, **options)
    try:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        values = []
        for record in consumer:
            values.append(record.value)
            if len(values) == len(PAYLOAD):
                break
        return values
    finally:
        consumer.close()
