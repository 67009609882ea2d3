"""`inferwatch silence` on the run's Redis."""

import json
import re

import pytest
from click.testing import CliRunner

from inferwatch.commands.silence import command
from inferwatch.errors import ServiceUnreachableError, UsageError

pytestmark = pytest.mark.broker


@pytest.fixture
def silence(tmp_path, configure, new_topic):
    new_topic("monitoring.state", partitions=2)
    configure([{"name": "ops", "console_configs": [{}]}])

    def run(*args: str):
        return CliRunner().invoke(command, [*args, "-c", str(tmp_path / "config.yaml")])

    return run


def test_added_listed_and_expired(silence):
    add = ["add", "model=fraud", 'kind=~"latency|errors"', "slow", "--duration", "2h"]
    said = silence(*add, "--comment", "deploy", "--author", "ann", "--json")
    assert said.exit_code == 0, said.output
    silence_id = json.loads(said.stdout)["id"]
    (found,) = json.loads(silence("list", "--json").stdout)
    assert found["id"] == silence_id
    assert found["matchers"] == ['model="fraud"', 'kind=~"latency|errors"', 'alertname="slow"']
    assert found["ends_at"] - found["starts_at"] == 7_200_000
    assert (found["created_by"], found["comment"]) == ("ann", "deploy")
    assert re.search(rf"{silence_id}.*model=.*ann: deploy", silence("list").stdout)
    assert silence("expire", silence_id).stdout == f"{silence_id} is over\n"
    assert json.loads(silence("list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["a=~[", "--duration", "1h"], "no matcher"),
        (["a=b", "--duration", "soon"], "no duration"),
        (["a=b", "--duration", "0"], "longer than 0"),
        (["a=~.*", "--duration", "1h"], "every alert"),
    ],
)
def test_mistakes(silence, args, words):
    said = silence("add", *args, "--comment", "x")
    assert isinstance(said.exception, UsageError)
    assert words in str(said.exception)


def test_an_unknown_silence(silence):
    assert "no silence 'x'" in str(silence("expire", "x").exception)


def test_it_holds_without_kafka_and_says_that_it_is_in_no_second_place(
    tmp_path, redis_server, prefix
):
    path = tmp_path / "config.yaml"
    config = {
        "broker": {"url": "kafka://127.0.0.1:1"},
        "redis": {"url": redis_server.url},
        "topics": {"prefix": prefix},
    }
    path.write_text(json.dumps(config))
    add = ["add", "model=fraud", "--duration", "2h", "--comment", "x", "--json", "-c", str(path)]
    said = CliRunner().invoke(command, add)
    assert said.exit_code == 0, said.output
    assert "would be lost with Redis: Kafka" in said.stderr
    (found,) = json.loads(CliRunner().invoke(command, ["list", "--json", "-c", str(path)]).stdout)
    assert found["id"] == json.loads(said.stdout)["id"]


def test_without_a_redis(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text('redis: {url: "redis://127.0.0.1:1/0"}')
    said = CliRunner().invoke(command, ["list", "-c", str(path)])
    assert isinstance(said.exception, ServiceUnreachableError)
    assert "127.0.0.1:1" in str(said.exception)
