"""`inferwatch labels send` and `inferwatch deadletter` on a broker."""

import json

import pytest
from click.testing import CliRunner
from decoding import decoder, rows
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from inferwatch.cli import root
from inferwatch.events.json_codec import dumps
from inferwatch.events.kinds import Kind
from pipeline.decode import RawRecord
from producers.batching import partition_of

pytestmark = pytest.mark.broker

NOW = 1_764_000_000_000


@pytest.fixture
def config(real_kafka, prefix, tmp_path):
    """The path of a config whose topics `inference.labels` and `monitoring.deadletter` exist."""
    client = KafkaAdminClient(bootstrap_servers=real_kafka.bootstrap)
    names = [f"{prefix}inference.labels", f"{prefix}monitoring.deadletter"]
    client.create_topics({n: {"num_partitions": 3, "replication_factor": 1} for n in names})
    client.wait_for_topics(names)
    client.close()
    file = tmp_path / "inferwatch.yaml"
    file.write_text(
        f"broker: {{url: 'kafka://{real_kafka.bootstrap}'}}\ntopics: {{prefix: '{prefix}'}}\n"
    )
    return str(file)


def run(*arguments):
    return CliRunner().invoke(root, arguments)


def records(bootstrap, topic):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    parts = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    found = []
    while any(consumer.position(part) < ends[part] for part in parts):
        for batch in consumer.poll(timeout_ms=500).values():
            found.extend(batch)
    consumer.close()
    return [
        RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
        for r in found
    ]


def test_every_label_arrives_once_in_the_partition_of_its_id(config, real_kafka, prefix, tmp_path):
    path = tmp_path / "labels.csv"
    sent = {f"flight-{i}": "late" if i % 3 else "on time" for i in range(20_000)}
    path.write_text(
        "id,ts,label\n" + "".join(f"{id},{NOW},{label}\n" for id, label in sent.items())
    )
    result = run("labels", "send", str(path), "-c", config, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sent"] == len(sent)
    found = records(real_kafka.bootstrap, f"{prefix}inference.labels")
    assert len(found) < 20  # columnar batches
    decoded = decoder(Kind.LABEL).decode(found)
    assert decoded.rejected == []
    assert {row["id"]: row["text"] for row in rows(decoded)} == sent
    assert len(rows(decoded)) == len(sent)
    for chunk in decoded.chunks:
        assert {partition_of(id, 3) for id in chunk.rows.ids} == {chunk.partition}
        assert chunk.rows.seq.tolist() == list(range(chunk.rows.size))


def test_rows_that_are_no_labels_are_told_and_the_others_sent(config, tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"id": "a", "ts": 1, "label": "x"}\n{"id": "b", "ts": 1}\n' + "{}\n" * 20)
    result = run("labels", "send", str(path), "-c", config)
    assert result.exit_code == 1
    assert result.stdout == (
        f"Sent 1 labels to {result.stdout.split()[4]} (3 partitions).\n"
        "Not sent: 1 malformed, 20 no_ts.\n"
    )
    assert f"{path}: line 2: malformed at label: the event has no label" in result.stderr
    assert len(result.stderr.splitlines()) == 10


def test_a_topic_that_does_not_exist_is_not_created(config, real_kafka, prefix, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,ts,label\na,1,x\n")
    other = tmp_path / "other.yaml"
    other.write_text((tmp_path / "inferwatch.yaml").read_text().replace(prefix, f"{prefix}no."))
    result = run("labels", "send", str(path), "-c", str(other))
    assert result.exit_code == 2
    assert "inferwatch topics create" in result.stderr
    client = KafkaAdminClient(bootstrap_servers=real_kafka.bootstrap)
    assert f"{prefix}no.inference.labels" not in client.list_topics()
    client.close()
    result = run("deadletter", "list", "-c", str(other), "--json")
    assert (result.exit_code, json.loads(result.stdout)["deadletters"]) == (0, [])


def test_without_a_broker_it_is_one_line_and_exit_code_3(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,ts,label\na,1,x\n")
    config = tmp_path / "inferwatch.yaml"
    config.write_text("broker: {url: 'kafka://127.0.0.1:9'}\n")
    result = run("labels", "send", str(path), "-c", str(config))
    assert result.exit_code == 3
    assert "127.0.0.1:9" in result.stderr
    assert "Traceback" not in result.stderr


def test_dead_letters_are_listed_and_shown(config, real_kafka, prefix):
    bad = [
        RawRecord("inference.labels", 1, 41, NOW, None, b"\x1b[31m{"),
        RawRecord("inference.labels", 1, 42, NOW, None, b'{"ts": null}'),
    ]
    producer = KafkaProducer(bootstrap_servers=real_kafka.bootstrap)
    for letter in decoder(Kind.LABEL).decode(bad).rejected:
        producer.send(f"{prefix}monitoring.deadletter", value=dumps(letter))
    producer.send(f"{prefix}monitoring.deadletter", value=b"no dead letter")
    producer.close()
    result = run("deadletter", "list", "-c", config, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["counts"] == {"malformed": 1, "no_ts": 1}
    assert [x["id"] for x in found["deadletters"]] == [
        "inference.labels/1/41",
        "inference.labels/1/42",
    ]
    only = run("deadletter", "list", "-c", config, "--reason", "no_ts").stdout
    assert "inference.labels/1/42  no_ts  ts: the event has no time" in only
    assert "1 dead letters: 1 no_ts." in only
    shown = run("deadletter", "show", "inference.labels/1/41", "-c", config)
    assert shown.exit_code == 0
    assert "\\x1b[31m{" in shown.stdout and "\x1b" not in shown.stdout
    one = run("deadletter", "show", "inference.labels/1/42", "-c", config, "--json")
    assert json.loads(one.stdout)[0]["text"] == '{"ts": null}'
    absent = run("deadletter", "show", "inference.labels/1/43", "-c", config)
    assert (absent.exit_code, absent.stdout) == (1, "")
    assert "no dead letter inference.labels/1/43" in absent.stderr
