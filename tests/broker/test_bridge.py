"""The bridge on a real Kafka: each event counts once, whatever is killed."""

import random
import signal
import time

import pytest
from bridge_rig import BridgeRig
from eventually import eventually

from inferwatch.events.kinds import Kind
from producers.batching import partition_of

pytestmark = pytest.mark.broker

NOW = 1_764_000_000_000
PREDICTIONS = (
    "{topic: {p}scored, kind: prediction, map: {id: $.request_id, model: =fraud, version: $.mv, "
    "ts: $.ts, features: $.x, prediction: $.y, scores: $.proba}}"
)


@pytest.fixture
def rig(real_kafka, prefix, tmp_path):
    rigs = []

    def make(bridged=PREDICTIONS, **options):
        rigs.append(BridgeRig(tmp_path, real_kafka.bootstrap, prefix, bridged, **options))
        return rigs[-1]

    yield make
    for one in rigs:
        one.close()


def event(number):
    rng = random.Random(number)
    return {
        "request_id": f"r{number}",
        "mv": 7,
        "ts": NOW + number,
        "x": {"amount": rng.random(), "country": rng.choice(["DE", "FR"])},
        "y": rng.choice(["legit", "fraud"]),
        "proba": {"legit": 0.25, "fraud": 0.75},
    }


def wanted(count):
    return {f"r{number}": 1 for number in range(count)}


@pytest.mark.soak
def test_a_bridge_killed_again_and_again_counts_every_event_once(rig):
    rig = rig()
    topic = rig.source("scored")
    count = 120_000
    rig.send(topic, (event(number) for number in range(count)), compression_type="lz4")
    for _ in range(3):
        before = rig.records_sent()
        bridge = rig.start()
        eventually(lambda before=before: rig.records_sent() >= before + 6, 30, every_s=0.01)
        bridge.send_signal(signal.SIGKILL)
        bridge.wait()
        assert not rig.done(topic), "it is to be killed in the middle"
    bridge = rig.start()
    rig.wait_until_done(topic)
    ids, sent = rig.counted(Kind.PREDICTION)
    assert ids == wanted(count)
    assert rig.folded() == (count, sent - count, 0)
    print(f"{count} events; {sent - count} rows were sent a second time and not counted")
    assert sent > count, "nothing was repeated, so nothing was shown: kill it elsewhere"
    bridge.terminate()
    assert bridge.wait(10) == 0


def test_two_bridges_share_a_topic_and_one_takes_over(rig):
    rig = rig()
    topic = rig.source("scored")
    rig.send(topic, (event(number) for number in range(30_000)))
    first, second = rig.start(), rig.start()
    rig.wait_until_done(topic)
    first.send_signal(signal.SIGKILL)
    first.wait()
    rig.send(topic, (event(number) for number in range(30_000, 40_000)))
    rig.wait_until_done(topic)
    assert rig.counted(Kind.PREDICTION)[0] == wanted(40_000)
    second.terminate()
    assert second.wait(10) == 0


def test_a_clean_end_and_a_new_start_repeat_nothing(rig):
    rig = rig()
    topic = rig.source("scored")
    for part in range(3):
        rig.send(topic, (event(number) for number in range(part * 2_000, part * 2_000 + 2_000)))
        bridge = rig.start()
        eventually(lambda part=part: rig.rows_sent() > part * 2_000, 30)
        bridge.terminate()
        assert bridge.wait(10) == 0, rig.said()
    rig.start()
    rig.wait_until_done(topic)
    ids, sent = rig.counted(Kind.PREDICTION)
    assert ids == wanted(6_000)
    assert sent == 6_000


@pytest.mark.soak
def test_a_broker_that_goes_away_is_told_and_waited_for(rig, real_kafka):
    rig = rig()
    topic = rig.source("scored")
    rig.send(topic, (event(number) for number in range(3_000)))
    bridge = rig.start()
    rig.wait_until_done(topic)
    real_kafka.kill()
    try:
        eventually(lambda: "does not do its part" in rig.said(), 40)
    finally:
        real_kafka.start()
    rig.send(topic, (event(number) for number in range(3_000, 6_000)))
    rig.wait_until_done(topic)
    eventually(lambda: "answers again" in rig.said(), 20)
    assert rig.counted(Kind.PREDICTION)[0] == wanted(6_000)
    assert rig.said().count("does not do its part") < 4
    bridge.terminate()
    assert bridge.wait(10) == 0


def test_it_ends_within_ten_seconds_while_the_broker_is_away(rig, real_kafka):
    rig = rig()
    topic = rig.source("scored")
    rig.send(topic, [event(0)])
    bridge = rig.start()
    rig.wait_until_done(topic)
    real_kafka.kill()
    try:
        began = time.monotonic()
        bridge.terminate()
        assert bridge.wait(11) == 0
        assert time.monotonic() - began < 10.5
    finally:
        real_kafka.start()


def test_all_four_kinds(rig):
    rig = rig(
        PREDICTIONS
        + "\n{topic: {p}truth, kind: label, map: {id: $.k, ts: $.at, label: $.was}}"
        + "\n{topic: {p}requests, kind: latency}"
        + "\n{topic: {p}usage, kind: resource, map: {model: =fraud, ts: $.t, cpu_percent: $.cpu}}"
    )
    names = [rig.source(name) for name in ("scored", "truth", "requests", "usage")]
    rig.send(names[0], (event(number) for number in range(300)))
    truths = [{"k": f"r{n}", "at": NOW + n, "was": n % 2 == 0} for n in range(300)]
    rig.send(names[1], truths)
    latencies = [{"model": "fraud", "ts": NOW + n, "latency_ms": n / 2} for n in range(300)]
    rig.send(names[2], latencies)
    rig.send(names[3], ({"t": NOW + n, "cpu": 50 + n} for n in range(300)))
    rig.start()
    for name in names:
        rig.wait_until_done(name)
    assert rig.counted(Kind.PREDICTION)[0] == wanted(300)
    assert rig.counted(Kind.LABEL)[0] == wanted(300)
    for number, decoded in rig.decoded(Kind.LABEL):
        for chunk in decoded.chunks:
            assert {partition_of(name, 4) for name in chunk.rows.ids} == {number}
    assert rig.counted(Kind.LATENCY)[0].total() == 300
    assert rig.counted(Kind.RESOURCE)[0].total() == 300
    spent = sorted(
        value
        for _, decoded in rig.decoded(Kind.LATENCY)
        for chunk in decoded.chunks
        for value in chunk.rows.latency_ms.tolist()
    )
    assert spent == [n / 2 for n in range(300)]


def test_what_cannot_be_mapped_is_a_dead_letter_and_the_rest_counts(rig):
    rig = rig()
    topic = rig.source("scored", partitions=1)
    bad = [
        b"no json",
        b"",
        {"request_id": "x", "ts": NOW, "x": {}},
        {"request_id": "x", "y": "legit"},
        {"request_id": 1.5, "ts": NOW, "y": "legit"},
        b'"' + b"x" * (2**20) + b'"',
    ]
    mixed = [event(0), *bad[:3], event(1), *bad[3:], event(2)]
    rig.send(topic, mixed, partitions=1, max_request_size=2**22, compression_type="gzip")
    rig.start()
    rig.wait_until_done(topic)
    assert rig.counted(Kind.PREDICTION)[0] == wanted(3)
    letters = {letter["offset"]: letter for letter in rig.dead_letters()}
    assert {offset: letter["reason"] for offset, letter in letters.items()} == {
        1: "malformed",
        2: "malformed",
        3: "no_prediction",
        5: "no_ts",
        6: "malformed",
        7: "oversized",
    }
    assert {letter["topic"] for letter in letters.values()} == {topic}


def test_events_larger_than_the_broker_takes_together_are_divided(rig):
    """The topic takes less than the limits of the config say: halves go through, or a letter."""
    rig = rig()
    from kafka.admin import ConfigResource, KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=rig.bootstrap)
    resource = ConfigResource(
        "topic", f"{rig.prefix}inference.predictions", {"max.message.bytes": "20000"}
    )
    admin.alter_configs([resource])
    admin.close()
    topic = rig.source("scored", partitions=1)
    rng = random.Random(1)
    events = [event(number) for number in range(40)]
    for one in events:
        one["x"]["note"] = rng.randbytes(1_000).hex()
    events[20]["x"]["note"] = rng.randbytes(60_000).hex()
    rig.send(topic, events, partitions=1)
    rig.start()
    rig.wait_until_done(topic)
    expected = wanted(40)
    del expected["r20"]
    assert rig.counted(Kind.PREDICTION)[0] == expected
    assert [(letter["offset"], letter["reason"]) for letter in rig.dead_letters()] == [
        (20, "oversized")
    ]


@pytest.mark.parametrize(("start", "first"), [("earliest", 0), ("latest", 500)])
def test_start_says_where_a_new_group_begins(rig, start, first):
    rig = rig(start=f"start: {start}")
    topic = rig.source("scored")
    rig.send(topic, (event(number) for number in range(500)))
    bridge = rig.start()
    rig.wait_until_done(topic)
    bridge.terminate()
    bridge.wait(10)
    # It holds at the first start only.
    rig.send(topic, (event(number) for number in range(500, 600)))
    rig.start()
    rig.wait_until_done(topic)
    assert rig.counted(Kind.PREDICTION)[0] == {f"r{n}": 1 for n in range(first, 600)}


def test_what_a_transaction_took_back_is_not_republished(rig):
    from kafka import KafkaProducer

    rig = rig()
    topic = rig.source("scored", partitions=1)
    import orjson

    producer = KafkaProducer(bootstrap_servers=rig.bootstrap, transactional_id=rig.prefix)
    producer.init_transactions()
    for first, keep in ((0, True), (1_000, False), (10, True)):
        producer.begin_transaction()
        for number in range(first, first + 10):
            producer.send(topic, orjson.dumps(event(number)), partition=0)
        producer.flush()
        if keep:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    producer.close()
    rig.start()
    eventually(lambda: rig.rows_sent() >= 20, 30)
    assert rig.counted(Kind.PREDICTION)[0] == wanted(20)


def test_a_topic_that_does_not_exist_is_one_line(rig):
    rig = rig()
    bridge = rig.start()
    assert bridge.wait(20) == 2
    assert len(rig.said().splitlines()) == 1, rig.said()
    assert "there is no topic" in rig.said()
