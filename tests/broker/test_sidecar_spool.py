"""The sidecar's spool before a real Kafka: killed, restarted, full; each row once, or in `lost`."""

import json
import random
from functools import partial

import pytest
from event_topics import numbers, rows_of_topic
from eventually import eventually
from recompute import read_topic
from sidecar_process import sidecars
from sidecar_rig import ScriptedServer, answer, post, read_exactly, read_request, read_to_end
from spool_rig import files

from inferwatch import topics
from inferwatch.settings import load
from pipeline.decode import Decoder
from pipeline.engine import KINDS
from pipeline.fold import Folder
from pipeline.partition import PartitionState
from pipeline.reference.catalog import ReferenceCatalog

pytestmark = pytest.mark.broker

TOPICS = (topics.PREDICTIONS, topics.LATENCIES)
BODY = json.dumps({"instances": [[n, "text", None, 0.5] for n in range(3)]}).encode()
PREDICTED = answer(b'{"predictions":["a","b","a"]}')


def model_server(connection):
    held = bytearray()
    while read_request(connection, held):
        connection.sendall(PREDICTED)
    read_to_end(connection)


@pytest.fixture
def upstream():
    server = ScriptedServer(model_server)
    yield server
    server.close()


@pytest.fixture
def config(real_kafka, new_topic, prefix, upstream, tmp_path):
    for topic in (*TOPICS, topics.RESOURCES, topics.LABELS):
        new_topic(topic.name, partitions=2)
    return {
        "broker": {"url": f"kafka://{real_kafka.bootstrap}"},
        "topics": {"prefix": prefix},
        "sidecar": {
            "upstream": f"http://127.0.0.1:{upstream.port}",
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "batch": {"rows": 8, "every": "50ms"},
            "spool": {"dir": str(tmp_path / "spool"), "max": "16MiB"},
            "resources": {"every": "1h"},
        },
    }


@pytest.fixture
def read_rows(kafka_bootstrap, prefix):
    return lambda topic: rows_of_topic(prefix + topic, kafka_bootstrap, {})


def smaller(config, **sidecar):
    return {**config, "sidecar": {**config["sidecar"], **sidecar}}


def ask(sidecar, times, ids=None):
    with sidecar.connect() as client:
        for n in range(times):
            headers = () if ids is None else (f"x-request-id: {ids[n]}",)
            client.sendall(post("/v1/models/m:predict", BODY, *headers))
            assert read_exactly(client, len(PREDICTED)) == PREDICTED


def lost(config):
    """How many prediction rows a worker finds missing in the topic as it lies."""
    settings = load(None, text=json.dumps({key: config[key] for key in ("broker", "topics")}))
    decoder = Decoder(KINDS[topics.PREDICTIONS], settings.limits, clock=lambda: 0)
    count = 0
    for records in read_topic(settings, topics.PREDICTIONS).values():
        state = PartitionState()
        folder = Folder(settings, ReferenceCatalog())
        folder.fold(state, decoder.decode(records), records[-1].offset)
        count += state.totals.lost
    return count


def dropped(sidecar, topic):
    return sidecar.metric("rows_dropped_total", topic=topic.name)


def by_origin(rows):
    """origin -> rows, and holes, over all partitions; no number may stand for two rows."""
    found = {}
    for (origin, _), seen in numbers(rows).items():
        count, holes = found.get(origin, (0, 0))
        found[origin] = count + len(seen), holes + max(seen) + 1 - len(seen)
    return found


def test_killed_and_restarted_while_kafka_is_away_and_what_fits_nowhere_is_in_lost(
    real_kafka, config, read_rows, tmp_path
):
    with sidecars(tmp_path) as start:
        first = start(config, "first")
        ask(first, 20)
        eventually(lambda: first.metric("rows_published_total") == 80)
        real_kafka.kill()
        try:
            ask(first, 60)
            eventually(lambda: first.metric("spool_rows_written_total") == 240)
            first_published = first.metric("rows_published_total")
            first.kill()
            # Kafka is away from this one's start, and it has little room.
            second = start(
                smaller(
                    config, queue="128KiB", spool={**config["sidecar"]["spool"], "max": "96KiB"}
                ),
                "second",
            )
            ask(second, 5)
            eventually(lambda: second.metric("spool_rows_written_total") == 20)
            while second.metric("rows_dropped_total", reason="spool_full") < 50:
                ask(second, 10)
            assert second.metric("spool_bytes") <= 96 * 1024
        finally:
            real_kafka.start()
        eventually(lambda: second.metric("spool_rows") + second.metric("queue_bytes") == 0, 30)
        # Holes show with the next rows, in each partition.
        for _ in range(4):
            before = second.metric("rows_published_total")
            ask(second, 2)
            eventually(lambda count=before + 8: second.metric("rows_published_total") == count)
        published = first_published + second.metric("rows_published_total")
        holes = {topic: dropped(second, topic) for topic in TOPICS}
        second.stop()
        for line in ("wait on disk now", "is full", "is empty again", "left 240 rows on disk"):
            assert line in second.log()
        assert "Traceback" not in first.log() + second.log()
    assert files(tmp_path) == []
    rows = {topic: read_rows(topic.name) for topic in TOPICS}
    found = {topic: by_origin(rows[topic]) for topic in TOPICS}
    for topic, each in ((topics.PREDICTIONS, 3), (topics.LATENCIES, 1)):
        old, new = sorted(found[topic].values(), key=lambda counts: counts[1])
        assert old == (80 * each, 0)
        assert new[1] == holes[topic]
    assert sum(count for one in found.values() for count, _ in one.values()) == published
    assert lost(config) == holes[topics.PREDICTIONS]
    print(f"{published:,.0f} rows each once, {sum(holes.values()):,.0f} dropped and all in holes")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_whatever_dies_and_whenever_each_row_arrives_once(
    real_kafka, config, read_rows, tmp_path, seed
):
    luck = random.Random(seed)
    count = 40
    asked = set()
    with sidecars(tmp_path) as start:
        for turn in range(6):
            fault = luck.choice(["none", "dead", "silent"])
            if fault == "dead":
                real_kafka.kill()
            elif fault == "silent":
                real_kafka.pause()
            try:
                # Two at a time share the directory.
                pair = [start(config, f"{turn}-{n}") for n in range(2)]
                for n, sidecar in enumerate(pair):
                    ids = [f"{turn}-{n}-{k}" for k in range(count)]
                    asked |= {f"{one}:{row}" for one in ids for row in range(3)}
                    ask(sidecar, count, ids)
                for sidecar in pair:
                    eventually(partial(is_safe, sidecar, count, is_away=fault != "none"), 60)
                    sidecar.kill() if luck.random() < 0.7 else sidecar.stop()
            finally:
                if fault == "dead":
                    real_kafka.start()
                elif fault == "silent":
                    real_kafka.resume()
        last = start(config, "last")
        eventually(lambda: not files(tmp_path) and not last.metric("queue_bytes"), 60)
        last.stop()
    numbered = {}
    for row in read_rows(topics.PREDICTIONS.name):
        numbered.setdefault((row["origin"], row["partition"], row["seq"]), set()).add(row["id"])
    assert all(len(ids) == 1 for ids in numbered.values())
    assert sorted(identity for ids in numbered.values() for identity in ids) == sorted(asked)
    assert lost(config) == 0
    print(f"{len(asked):,} prediction rows of {len({key[0] for key in numbered})} senders")


def is_safe(sidecar, count, *, is_away):
    """Whether everything that was asked of it is with Kafka, or on disk."""
    if sidecar.metric("exchanges_total") < count:
        return False
    if is_away:
        return sidecar.metric("spool_rows_written_total") >= 4 * count
    return sidecar.metric("queue_bytes") + sidecar.metric("spool_rows") == 0
