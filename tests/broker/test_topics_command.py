"""`inferwatch topics` on a real broker: what it makes, finds wrong, leaves alone."""

import json

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import ConfigResource, ConfigResourceType

from inferwatch import topics
from inferwatch.cli import root
from inferwatch.provision.memory import KEY, unpack

pytestmark = pytest.mark.broker

HOUR = 3_600_000


@pytest.fixture
def admin(real_kafka):
    client = KafkaAdminClient(bootstrap_servers=real_kafka.bootstrap)
    yield client
    client.close()


@pytest.fixture
def config(real_kafka, prefix, tmp_path):
    """`config(partitions=…)` writes a config and returns its path."""

    def write(partitions=2, restate="1h", history="7d", event_bytes="1MiB"):
        file = tmp_path / "inferwatch.yaml"
        file.write_text(
            f"broker: {{url: 'kafka://{real_kafka.bootstrap}'}}\n"
            f"topics: {{prefix: '{prefix}', partitions: {partitions}}}\n"
            f"retention: {{restate: {restate}, history: {history}}}\n"
            f"limits: {{event_bytes: {event_bytes}}}\n"
            "defaults: {windows: [1m, 5h]}\n"
        )
        return str(file)

    return write


def run(*arguments):
    return CliRunner().invoke(root, ["topics", *arguments])


def settings_of(admin, name):
    asked = ConfigResource(ConfigResourceType.TOPIC, name, configs=None)
    (found,) = admin.describe_configs([asked], config_filter="All").values()
    return {key: value["value"] for key, value in found[name].items()}


def set_setting(admin, name, **values):
    changed = {key.replace("_", "."): value for key, value in values.items()}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=changed)])


def test_create_makes_every_topic_as_the_contract_says(admin, config, prefix):
    result = run("create", "-c", config())

    assert result.exit_code == 0, result.output
    described = admin.describe_topics([prefix + t.name for t in topics.ALL])
    assert {t["name"]: len(t["partitions"]) for t in described} == {
        prefix + t.name: 2 for t in topics.ALL
    }
    for topic in topics.INPUTS:
        found = settings_of(admin, prefix + topic.name)
        assert found["message.timestamp.type"] == "LogAppendTime"
        assert found["cleanup.policy"] == "delete"
        # 5 h windows, labels for 24 h (more than restate), and a day.
        assert int(found["retention.ms"]) == (5 + 24 + 24) * HOUR
    alerts = settings_of(admin, prefix + "monitoring.alerts")
    assert set(alerts["cleanup.policy"].split(",")) == {"compact", "delete"}
    assert int(alerts["min.compaction.lag.ms"]) == 7 * 24 * HOUR
    references = settings_of(admin, prefix + "monitoring.references")
    assert references["cleanup.policy"] == "compact"
    assert references["message.timestamp.type"] == "LogAppendTime"
    state = settings_of(admin, prefix + "monitoring.state")
    assert state["cleanup.policy"] == "compact"
    assert int(state["segment.bytes"]) == 64 * 1024 * 1024
    assert int(state["segment.ms"]) == HOUR
    assert float(state["min.cleanable.dirty.ratio"]) == 0.1
    windows = settings_of(admin, prefix + "monitoring.windows")
    assert windows["cleanup.policy"] == "delete"
    assert int(windows["retention.ms"]) == 7 * 24 * HOUR


def test_check_holds_after_create_and_create_does_nothing_twice(config):
    run("create", "-c", config())

    assert run("check", "-c", config()).exit_code == 0
    again = json.loads(run("create", "-c", config(), "--json").output)
    assert again == {"ok": True, "done": [], "differences": [], "notes": []}


def test_check_names_what_is_missing_and_creates_nothing(admin, config, prefix):
    result = run("check", "-c", config())

    assert result.exit_code == 1
    assert f"{prefix}inference.labels: is missing" in result.output
    assert not [name for name in admin.list_topics() if name.startswith(prefix)]


def test_a_retention_that_is_too_short_fails_the_check_and_create_lengthens_it(
    admin, config, prefix
):
    run("create", "-c", config())
    name = prefix + "inference.labels"
    set_setting(admin, name, retention_ms=str(HOUR), message_timestamp_type="CreateTime")

    result = run("check", "-c", config())
    assert result.exit_code == 1
    assert f"{name}: retention.ms is 3600000 (1h), at least 190800000 (53h) is needed" in (
        result.output
    )
    assert f"{name}: message.timestamp.type is CreateTime, LogAppendTime is needed" in (
        result.output
    )
    assert run("create", "-c", config()).exit_code == 0
    assert settings_of(admin, name)["retention.ms"] == str(53 * HOUR)


def test_a_longer_retention_is_left_alone(admin, config, prefix):
    run("create", "-c", config())
    name = prefix + "inference.predictions"
    set_setting(admin, name, retention_ms="-1")

    assert run("check", "-c", config()).exit_code == 0
    run("create", "-c", config())
    assert settings_of(admin, name)["retention.ms"] == "-1"


def test_a_state_topic_of_an_older_version_passes_the_check_and_create_tunes_it(
    admin, config, prefix
):
    run("create", "-c", config())
    name = prefix + "monitoring.state"
    set_setting(admin, name, segment_bytes=str(1024**3))

    result = run("check", "-c", config())
    assert result.exit_code == 0
    assert f"{name}: segment.bytes is 1073741824, at most 67108864 is needed" in result.output
    assert run("create", "-c", config()).exit_code == 0
    assert settings_of(admin, name)["segment.bytes"] == "67108864"


def test_more_restate_and_larger_events_ask_for_more_of_the_topics(config):
    run("create", "-c", config())

    result = run("check", "-c", config(restate="2d", event_bytes="3MiB"))
    assert result.exit_code == 1
    assert "(77h) is needed" in result.output
    assert "max.message.bytes is 1114112, at least 3211264 is needed" in result.output


def test_partitions_that_were_added_fail_the_check(admin, config, prefix):
    run("create", "-c", config())
    admin.create_partitions({prefix + "inference.labels": 5})
    admin.wait_for_topics([prefix + "inference.labels"])

    for result in (run("check", "-c", config()), run("create", "-c", config(partitions=5))):
        assert result.exit_code == 1
        assert (
            f"{prefix}inference.labels: has 5 partitions, this prefix began with 2" in result.output
        )


def test_a_config_that_asks_for_other_partitions_than_there_are_is_a_note(config):
    run("create", "-c", config())

    result = run("check", "-c", config(partitions=8))
    assert result.exit_code == 0
    assert "keeps its 2 partitions, the config says 8" in result.output


def test_the_first_partitions_are_remembered_by_topic(real_kafka, config, prefix):
    run("create", "-c", config(partitions=3))

    consumer = KafkaConsumer(
        prefix + "monitoring.state",
        bootstrap_servers=real_kafka.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5_000,
    )
    record = next(consumer)
    consumer.close()
    assert record.key == KEY
    assert unpack(record.value) == {t.name: 3 for t in topics.ALL}


def test_more_replicas_than_brokers_is_one_line(config):
    result = run("create", "-c", config(partitions="2, replication: 3"))
    assert result.exit_code == 1
    assert "only 1 broker(s) are registered" in result.output
    assert "Traceback" not in result.output
