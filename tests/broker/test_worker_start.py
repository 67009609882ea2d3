"""What a worker says when it cannot start: exit code and one line that names the cure."""

import socket
import subprocess
import sys

import pytest
import redis

pytestmark = pytest.mark.broker

CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{prefix: "{prefix}", partitions: 2}}
"""


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def run(path, *command):
    argv = [sys.executable, "-m", "inferwatch", *command, "-c", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def write(tmp_path, **values):
    path = tmp_path / "inferwatch.yaml"
    path.write_text(CONFIG.format(**values))
    return path


def test_no_broker_is_exit_3_with_what_was_tried(tmp_path, redis_server, prefix):
    address = f"127.0.0.1:{closed_port()}"
    done = run(write(tmp_path, broker=address, redis=redis_server.url, prefix=prefix), "worker")
    assert done.returncode == 3
    last = done.stderr.strip().splitlines()[-1]
    assert address in last
    assert "docker compose up -d kafka" in last


def test_no_redis_is_exit_3_with_what_was_tried(tmp_path, real_kafka, prefix):
    url = f"redis://127.0.0.1:{closed_port()}/0"
    done = run(write(tmp_path, broker=real_kafka.bootstrap, redis=url, prefix=prefix), "worker")
    assert done.returncode == 3
    last = done.stderr.strip().splitlines()[-1]
    assert url in last
    assert "docker compose up -d redis" in last


def test_missing_topics_are_exit_2_and_are_not_made(tmp_path, real_kafka, redis_server, prefix):
    values = {"broker": real_kafka.bootstrap, "redis": redis_server.url, "prefix": prefix}
    path = write(tmp_path, **values)
    for _ in range(2):
        done = run(path, "worker")
        assert done.returncode == 2
        assert f"{prefix}inference.predictions" in done.stderr
        assert "inferwatch topics create" in done.stderr


def test_a_redis_that_evicts_is_refused(tmp_path, real_kafka, redis_server, prefix):
    values = {"broker": real_kafka.bootstrap, "redis": redis_server.url, "prefix": prefix}
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            done = run(write(tmp_path, **values), "worker")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert done.returncode == 2
    assert "allkeys-lru" in done.stderr
    assert "noeviction" in done.stderr
