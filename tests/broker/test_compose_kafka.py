"""The Kafka of docker-compose.yml starts with the settings that the file gives it."""

import pytest
from compose_file import read_services
from kafka import KafkaAdminClient
from kafka_server import KafkaServer, free_ports

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_kafka_starts_with_the_settings_of_the_file(real_kafka, tmp_path):
    internal, local, controller = free_ports(3)
    addresses = {
        "INTERNAL://:19092": f"INTERNAL://127.0.0.1:{internal}",
        "INTERNAL://kafka:19092": f"INTERNAL://127.0.0.1:{internal}",
        "LOCAL://:9092": f"LOCAL://127.0.0.1:{local}",
        "LOCAL://localhost:9092": f"LOCAL://127.0.0.1:{local}",
        "localhost:9093": f"localhost:{controller}",
        "/var/lib/kafka/data": str(tmp_path / "data"),
    }
    server = KafkaServer(tmp_path, settings=properties(addresses), ports=(local, controller))
    try:
        server.start()
        for port in (internal, local):
            admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
            assert admin.list_topics() == []
            admin.close()
    finally:
        server.stop()


def properties(addresses):
    """The image turns KAFKA_NODE_ID=1 into node.id=1."""
    settings = {}
    for variable, value in read_services()["kafka"].environment.items():
        if variable.startswith("KAFKA_"):
            for old, new in addresses.items():
                value = value.replace(old, new)
            settings[variable.removeprefix("KAFKA_").lower().replace("_", ".")] = value
    return settings
