"""What broker tests share: rows of input topics; the notifier's topic and config."""

import json

import pytest
from kafka import KafkaProducer


@pytest.fixture
def alerts(new_topic, kafka_bootstrap, kafka_api_version, prefix):
    """`publish(event, ...)` to the alerts topic of this test."""
    new_topic("monitoring.alerts", partitions=3)
    options = {} if kafka_api_version is None else {"api_version": kafka_api_version}
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all", **options)

    def publish(*events: dict) -> None:
        sent = [
            producer.send(
                f"{prefix}monitoring.alerts",
                json.dumps(event).encode(),
                key=event["fingerprint"].encode(),
            )
            for event in events
        ]
        producer.flush()
        for future in sent:
            future.get(10)

    yield publish
    producer.close()


@pytest.fixture
def configure(tmp_path, kafka_bootstrap, kafka_api_version, redis_server, prefix):
    def write(receivers: list[dict], route: dict | None = None) -> None:
        broker: dict = {"url": f"kafka://{kafka_bootstrap}"}
        if kafka_api_version is not None:
            broker["api_version"] = ".".join(map(str, kafka_api_version))
        config = {
            "broker": broker,
            "redis": {"url": redis_server.url},
            "topics": {"prefix": prefix},
            "notify": {
                "route": {
                    "receiver": receivers[0]["name"],
                    "group_by": ["..."],
                    "group_wait": "0s",
                    **(route or {}),
                },
                "receivers": receivers,
            },
        }
        (tmp_path / "config.yaml").write_text(json.dumps(config))

    return write


@pytest.fixture
def read_topic(kafka_bootstrap, kafka_api_version, prefix):
    """`read_topic("inference.predictions")`: all rows of it, with their records' headers."""
    from event_topics import rows_of_topic

    options = {} if kafka_api_version is None else {"api_version": kafka_api_version}
    return lambda topic: rows_of_topic(prefix + topic, kafka_bootstrap, options)
