"""The embedded parts as processes of their own: they tell their address and end on SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from eventually import eventually
from kafka import KafkaProducer

from inferwatch import tether
from inferwatch.embedded.broker import API_VERSION
from inferwatch.embedded.redis import EmbeddedRedis
from inferwatch.errors import ServiceUnreachableError


@pytest.fixture
def start_part(tmp_path):
    """`start_part("redis", "--dir", DIR)` returns the process and the address that it told."""
    started = []

    def start(part, *options):
        file = tmp_path / f"{part}-address"
        argv = [sys.executable, "-m", f"inferwatch.embedded.{part}", *options]
        with (tmp_path / "part.log").open("ab") as log:
            process = tether.start([*argv, "--address-file", str(file)], output=log)
        started.append(process)
        eventually(file.exists)
        return process, file.read_text()

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_the_broker_takes_records_until_sigterm(start_part):
    process, bootstrap = start_part("broker")
    producer = KafkaProducer(bootstrap_servers=bootstrap, api_version=API_VERSION)
    assert producer.send("a-topic-nobody-made", b"x").get(timeout=10).offset == 0
    producer.close()
    process.terminate()
    assert process.wait(5) == 0
    assert not _is_open(bootstrap)


def test_redis_keeps_its_data_over_a_restart(start_part, tmp_path):
    process, url = start_part("redis", "--dir", str(tmp_path / "data"))
    with redis.Redis.from_url(url) as client:
        client.set("kept", "1")
    process.terminate()
    assert process.wait(5) == 0
    assert not _is_open(_address(url))
    _, again = start_part("redis", "--dir", str(tmp_path / "data"))
    assert again == url
    eventually(lambda: _is_open(_address(url)))
    with redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"1"


def test_the_process_ends_when_its_redis_server_does(start_part, tmp_path):
    process, url = start_part("redis", "--dir", str(tmp_path / "data"))
    with redis.Redis.from_url(url) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    assert process.wait(5) == 1


def test_a_taken_port_is_an_error_that_says_so(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = EmbeddedRedis(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(ServiceUnreachableError, match="Address already in use"):
            server.start()


def test_a_server_dies_with_the_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, signal\nfrom inferwatch.embedded.redis import EmbeddedRedis\n"
        "print(EmbeddedRedis(sys.argv[1]).start().url, flush=True)\nsignal.pause()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    url = parent.stdout.readline().strip()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not _is_open(_address(url)))


def _address(url):
    return url.removeprefix("redis://").removesuffix("/0")


def _is_open(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
