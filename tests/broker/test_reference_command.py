"""`inferwatch reference publish|list|show` on a broker and a Redis."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient

from inferwatch.cli import root
from inferwatch.embedded.broker import EmbeddedBroker

pytestmark = pytest.mark.broker


@pytest.fixture
def config(real_kafka, redis_server, prefix, tmp_path):
    client = KafkaAdminClient(bootstrap_servers=real_kafka.bootstrap)
    name = f"{prefix}monitoring.references"
    client.create_topics({name: {"num_partitions": 2, "replication_factor": 1}})
    client.wait_for_topics([name])
    client.close()
    file = tmp_path / "inferwatch.yaml"
    file.write_text(
        f"broker: {{url: 'kafka://{real_kafka.bootstrap}'}}\n"
        f"redis: {{url: '{redis_server.url}'}}\ntopics: {{prefix: '{prefix}'}}\n"
    )
    return str(file)


def run(*arguments):
    done = CliRunner().invoke(root, ["reference", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def build(tmp_path, name, rows, *options):
    data, out = tmp_path / f"{name}.csv", tmp_path / f"{name}.json"
    data.write_text("amount\n" + "".join(f"{row}\n" for row in rows))
    run("build", "--model", "shop", "--data", str(data), "--out", str(out), *options)
    return str(out)


def test_published_references_are_listed_and_shown(config, tmp_path):
    assert "No reference is published" in run("list", "-c", config)
    old = build(tmp_path, "old", range(10), "--model-version", "1")
    new = build(tmp_path, "new", range(99))
    first = json.loads(run("publish", old, "-c", config, "--json"))
    second = json.loads(run("publish", new, "-c", config, "--json"))
    assert first["published_at"] <= second["published_at"] and not second["again"]
    again = json.loads(run("publish", old, "-c", config, "--json"))
    assert again["again"] and again["published_at"] == first["published_at"]

    listed = json.loads(run("list", "-c", config, "--json"))
    assert [line["fingerprint"] for line in listed] == [first["fingerprint"], second["fingerprint"]]
    assert run("list", "-c", config).count("\n") == 2
    shown = json.loads(run("show", "shop", "-c", config, "--json"))
    assert (shown["fingerprint"], shown["rows"]) == (second["fingerprint"], 99)
    version = json.loads(run("show", "shop", "--model-version", "1", "-c", config, "--json"))
    assert version["fingerprint"] == first["fingerprint"]
    assert "amount: numeric, 0 to 98" in run("show", "shop", "-c", config)

    absent = CliRunner().invoke(root, ["reference", "show", "other", "-c", config])
    assert absent.exit_code == 1 and "no published reference serves" in absent.stderr


def learned(tmp_path, name, rows):
    """A provisional profile, as the worker publishes one."""
    file = Path(build(tmp_path, name, rows))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"provisional": True}))
    return str(file)


def test_a_learned_reference_is_promoted(config, prefix, redis_server, tmp_path):
    import redis

    provisional = json.loads(
        run("publish", learned(tmp_path, "p", range(9)), "-c", config, "--json")
    )
    assert "provisional" in run("list", "-c", config)
    assert "inferwatch reference promote shop" in run("show", "shop", "-c", config)

    promoted = json.loads(run("promote", "shop", "-c", config, "--json"))
    assert promoted["fingerprint"] == provisional["fingerprint"]
    assert (promoted["provisional"], promoted["version"], promoted["again"]) == (False, None, False)
    # A rebuild asks since when the provisional one has been in force: both stay.
    with redis.Redis.from_url(redis_server.url) as client:
        client.delete(f"{prefix}inferwatch:references")
    listed = json.loads(run("list", "-c", config, "--json"))
    times = [provisional["published_at"], promoted["published_at"]]
    assert [(line["provisional"], line["published_at"]) for line in listed] == [
        (True, times[0]),
        (False, times[1]),
    ]
    assert "promote" not in run("show", "shop", "-c", config)
    again = json.loads(run("promote", "shop", "-c", config, "--json"))
    assert again["again"] and again["published_at"] == promoted["published_at"]
    assert "already promoted" in run("promote", "shop", "-c", config)

    of_version = json.loads(run("promote", "shop", "--model-version", "7", "-c", config, "--json"))
    assert (of_version["version"], of_version["again"]) == ("7", False)


def test_what_cannot_be_promoted_is_said_with_its_cure(config, tmp_path):
    absent = CliRunner().invoke(root, ["reference", "promote", "shop", "-c", config])
    assert absent.exit_code == 1
    assert "of the model 'shop' is published yet" in absent.stderr
    assert "24h" in absent.stderr.replace("1d", "24h") and "reference build" in absent.stderr
    off = Path(config)
    off.write_text(off.read_text() + "defaults: {reference: {learn: off}}\n")
    never = CliRunner().invoke(root, ["reference", "promote", "shop", "-c", config])
    assert "learn: off" in never.stderr
    run("publish", build(tmp_path, "given", range(9)), "-c", config)
    given = CliRunner().invoke(root, ["reference", "promote", "shop", "-c", config])
    assert given.exit_code == 1
    assert "'shop' has no provisional reference" in given.stderr


def test_what_redis_lost_is_read_from_the_topic(config, prefix, redis_server, tmp_path):
    import redis

    profile = build(tmp_path, "p", range(5))
    published = json.loads(run("publish", profile, "-c", config, "--json"))
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.delete(f"{prefix}inferwatch:references") == 1
    listed = json.loads(run("list", "-c", config, "--json"))
    assert [line["published_at"] for line in listed] == [published["published_at"]]


def test_without_the_topic_the_cure_is_said(real_kafka, redis_server, prefix, tmp_path):
    file = tmp_path / "inferwatch.yaml"
    file.write_text(
        f"broker: {{url: 'kafka://{real_kafka.bootstrap}'}}\n"
        f"redis: {{url: '{redis_server.url}'}}\ntopics: {{prefix: '{prefix}'}}\n"
    )
    profile = build(tmp_path, "p", range(5))
    done = CliRunner().invoke(root, ["reference", "publish", profile, "-c", str(file)])
    assert done.exit_code == 2 and "inferwatch topics create" in done.stderr


def test_an_embedded_broker_is_not_asked_for_the_time(redis_server, prefix, tmp_path):
    before = time.time_ns() // 1_000_000
    with EmbeddedBroker() as broker:
        file = tmp_path / "inferwatch.yaml"
        file.write_text(
            f"broker: {{url: 'kafka://{broker.bootstrap}', api_version: '2.3'}}\n"
            f"redis: {{url: '{redis_server.url}'}}\ntopics: {{prefix: '{prefix}'}}\n"
        )
        profile = build(tmp_path, "p", range(5))
        published = json.loads(run("publish", profile, "-c", str(file), "--json"))
        assert before <= published["published_at"] <= time.time_ns() // 1_000_000
