"""Fixtures for everyone: a real Kafka and a real Redis, started when the first test asks for them.

Where Java or a Redis 7 are absent the embedded ones take their place, and the run says so at its
end; with CI=true that is an error instead. Nothing that is started here outlives the run.
"""

import logging
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator

import pytest
from kafka_distribution import MissingError
from redis_cluster import RedisCluster, running_cluster

from inferwatch.embedded.redis import EmbeddedRedis, find_server

IN_CI = os.environ.get("CI", "").lower() == "true"
# Run in the background of a script, we ignore SIGINT, and so would what the tests start and stop.
signal.signal(signal.SIGINT, signal.default_int_handler)
_PARTS = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory, pytestconfig):
    """The run's broker: `.bootstrap`, `.real`, and `kill()`, `start()`, `pause()`, `resume()`.

    A test that kills it starts it again before it ends.
    """
    try:
        server = _real_kafka(tmp_path_factory)
    except MissingError as missing:
        server = _stand_in_kafka(missing)
        _note(pytestconfig, "Kafka", f"{server.name}, because {missing}")
    else:
        _note(pytestconfig, "Kafka", server.name)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_server) -> str:
    """`127.0.0.1:PORT` of the run's broker."""
    return kafka_server.bootstrap


@pytest.fixture(scope="session")
def kafka_api_version(kafka_server) -> tuple[int, int] | None:
    """What kafka-python's clients need as `api_version`: None on the real broker."""
    return None if kafka_server.real else kafka_server.api_version


@pytest.fixture
def real_kafka(kafka_server):
    """The run's broker if it is a real one, else the test is skipped."""
    if not kafka_server.real:
        pytest.skip("needs a real Kafka: Java 17, and Maven for the first fetch")
    return kafka_server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory, pytestconfig) -> Iterator[EmbeddedRedis]:
    """The run's Redis: `.url`, and `kill()`, `start()`. A test that kills it starts it again."""
    version = _redis_version(find_server())
    if version < (7,):
        text = "Redis " + ".".join(map(str, version))
        if IN_CI:
            pytest.fail(f"CI needs Redis 7 or later, found {text}: apt-get install redis-server")
        _note(pytestconfig, "Redis", f"{text}, because there is no later one on the PATH")
    else:
        _note(pytestconfig, "Redis", "Redis " + ".".join(map(str, version)))
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory, unused_tcp_port_factory) -> Iterator[RedisCluster]:
    """The run's Redis Cluster: `.url`, `.ports`, `.keys_of(port, pattern)`."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), unused_tcp_port_factory) as cluster:
        yield cluster


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """A command sends all logging to its own standard error: give it back after the test."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def prefix() -> str:
    """A topic prefix, and so a Redis prefix, that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def new_topic(kafka_bootstrap, kafka_api_version, prefix) -> Callable[..., str]:
    """`new_topic("name", partitions=4, config={...})` creates `<prefix>name` and returns that."""
    from topic_maker import make_topic

    def make(name: str, *, partitions: int = 4, config: dict[str, str] | None = None) -> str:
        return make_topic(
            kafka_bootstrap,
            prefix + name,
            partitions=partitions,
            config=config,
            api_version=kafka_api_version,
        )

    return make


def pytest_terminal_summary(terminalreporter, config) -> None:
    for part, text in config.stash.get(_PARTS, {}).items():
        terminalreporter.write_line(f"{part} of this run: {text}")


def _real_kafka(tmp_path_factory):
    from kafka_server import KafkaServer

    return KafkaServer(tmp_path_factory.mktemp("kafka")).start()


def _stand_in_kafka(missing: MissingError):
    if IN_CI:
        pytest.fail(f"CI needs a real Kafka: {missing}")
    from kafka_standin import KafkaStandIn

    return KafkaStandIn().start()


def _redis_version(server: str) -> tuple[int, ...]:
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    assert match, said
    return tuple(int(part) for part in match.groups())


def _note(config, part: str, text: str) -> None:
    config.stash.setdefault(_PARTS, {})[part] = text
