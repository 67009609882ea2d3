"""Events on their way to a broker that misbehaves: each row once, or counted as dropped."""

import contextlib
import random
import threading
from collections import defaultdict

import pytest
from eventually import eventually
from kafka.errors import MessageSizeTooLargeError
from sidecar_rig import KeepingBroker, read_rows

from inferwatch.events.kinds import Kind
from inferwatch.events.label import Label
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.settings.sidecar import BatchSettings
from producers.batching import Lane, partition_of
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.publisher import Publisher


def latencies(count, start=0):
    return [Latency(model="m", ts=n, latency_ms=1.0) for n in range(start, start + count)]


@contextlib.contextmanager
def publisher(broker, *, queue=2**24, every="5ms", rows=8):
    counters = Counters()
    subject = Publisher(
        lambda: broker.connect("o"),
        origin="o",
        limits=BatchSettings(rows=rows, every=every),
        budget=ByteBudget(queue),
        counters=counters,
    )
    subject.counters = counters
    subject.start()
    try:
        yield subject
    finally:
        subject.close(2.0)


def numbers(broker, kind=Kind.LATENCY):
    found = defaultdict(list)
    for row in broker.rows(kind):
        found[row["partition"]].append(row["seq"])
    return found


def test_numbers_follow_per_partition_from_zero():
    broker = KeepingBroker(partitions=3)
    with publisher(broker) as subject:
        for n in range(20):
            subject.publish(Kind.LATENCY, latencies(5, n * 5))
        eventually(lambda: len(broker.rows(Kind.LATENCY)) == 100, 10, every_s=0.005)
    found = numbers(broker)
    assert set(found) <= {0, 1, 2}
    for seen in found.values():
        assert sorted(seen) == list(range(len(seen)))
    assert sorted(row["ts"] for row in broker.rows(Kind.LATENCY)) == list(range(100))


def test_a_batch_is_sent_again_under_its_number():
    broker = KeepingBroker()
    broker.is_down = True
    with publisher(broker) as subject:
        subject.publish(Kind.LATENCY, latencies(10))
        eventually(lambda: subject.counters.get("batches_resent_total") >= 1, 10, every_s=0.005)
        broker.is_down = False
        eventually(lambda: len(broker.rows(Kind.LATENCY)) == 10, 10, every_s=0.005)
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        assert "queue_bytes 0" in subject.counters.prometheus()
    assert sorted(row["ts"] for row in broker.rows(Kind.LATENCY)) == list(range(10))


class FlakyBroker(KeepingBroker):
    """Fails at random, from other threads, sometimes although it took the batch."""

    def __init__(self, seed):
        super().__init__()
        self.random = random.Random(seed)

    def send(self, batch, done):
        luck = self.random.random()
        if luck < 0.2:
            raise ConnectionError("send failed")
        error = ConnectionError("lost") if luck < 0.5 else None
        if luck > 0.35:
            self.batches.append(batch)
        threading.Timer(0.001, done, (batch, error)).start()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_fails_each_row_arrives_under_one_number(seed, monkeypatch):
    monkeypatch.setattr("producers.road.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("producers.road.LONGEST_PAUSE_S", 0.002)
    broker = FlakyBroker(seed)
    with publisher(broker) as subject:
        for n in range(30):
            subject.publish(Kind.LATENCY, latencies(4, n * 4))
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
    by_number = defaultdict(set)
    for row in broker.rows(Kind.LATENCY):
        by_number[row["partition"], row["seq"]].add(row["ts"])
    assert all(len(times) == 1 for times in by_number.values())
    assert sorted(ts for times in by_number.values() for ts in times) == list(range(120))


def test_what_the_broker_refuses_for_good_is_dropped_and_the_rest_goes_on():
    class Refusing(KeepingBroker):
        def send(self, batch, done):
            if batch.seq == 0:
                done(batch, MessageSizeTooLargeError("too large"))
            else:
                super().send(batch, done)

    broker = Refusing(partitions=1)
    with publisher(broker) as subject:
        subject.publish(Kind.LATENCY, latencies(8))
        subject.publish(Kind.LATENCY, latencies(8, 8))
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        dropped = subject.counters.get(
            "rows_dropped_total", topic="inference.latencies", reason="refused"
        )
    assert dropped == 8
    assert numbers(broker) == {0: list(range(8, 16))}


def test_a_drop_leaves_a_hole_of_its_size():
    broker = KeepingBroker(partitions=1)
    with publisher(broker) as subject:
        subject.publish(Kind.LATENCY, latencies(3))
        eventually(lambda: len(broker.rows(Kind.LATENCY)) == 3, 10, every_s=0.005)
        subject.drop(Kind.LATENCY, 5, "queue_full")
        subject.publish(Kind.LATENCY, latencies(2, 3))
        eventually(lambda: len(broker.rows(Kind.LATENCY)) == 5, 10, every_s=0.005)
    assert numbers(broker) == {0: [0, 1, 2, 8, 9]}


def test_large_events_leave_room_for_small_ones():
    broker = KeepingBroker()
    broker.is_lost = True
    row = Prediction(model="m", ts=0, prediction=1, features={f"f{n}": 1.0 for n in range(20)})
    with publisher(broker, queue=256 * 1024) as subject:
        while subject.publish(Kind.PREDICTION, [row]):
            pass
        assert subject.publish(Kind.LATENCY, latencies(10))
        assert not subject.offer(Kind.LABEL, [Label(id="a", ts=0, label="x")] * 1000)
        assert subject.counters.total("rows_dropped_total") == 1
        broker.is_lost = False


def test_labels_of_one_id_stay_in_one_partition():
    broker = KeepingBroker(partitions=4)
    ids = [f"id-{n}" for n in range(50)]
    with publisher(broker, rows=1024) as subject:
        for label in ("early", "late"):
            subject.offer(Kind.LABEL, [Label(id=i, ts=0, label=label) for i in ids])
            eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
    rows = broker.rows(Kind.LABEL)
    assert len(rows) == 100
    assert all(row["partition"] == partition_of(row["id"], 4) for row in rows)
    assert len({row["partition"] for row in rows}) == 4
    for seen in numbers(broker, Kind.LABEL).values():
        assert sorted(seen) == list(range(len(seen)))


def test_labels_wait_until_the_partitions_are_known():
    broker = KeepingBroker(partitions=4)
    broker.is_lost = True
    with publisher(broker) as subject:
        assert subject.offer(Kind.LABEL, [Label(id="a", ts=0, label="x")])
        eventually(lambda: subject.counters.get("kafka_errors_total") >= 1, 10, every_s=0.005)
        assert subject.pending_rows == 1
        broker.is_lost = False
        (row,) = eventually(lambda: broker.rows(Kind.LABEL), 10, every_s=0.005)
    assert row["partition"] == partition_of("a", 4)


def test_what_is_left_at_the_end_is_counted():
    broker = KeepingBroker()
    broker.is_lost = True
    with publisher(broker) as subject:
        subject.publish(Kind.LATENCY, latencies(7))
        subject.close(0.05)
        assert (
            subject.counters.get(
                "rows_dropped_total", topic="inference.latencies", reason="shutdown"
            )
            == 7
        )


def test_a_row_that_no_batch_can_hold_costs_itself_only():
    lane = Lane(Kind.PREDICTION, "o", BatchSettings(bytes=4096), event_bytes=8192)
    good = [Prediction(model="m", ts=n, prediction="a") for n in range(5)]
    bad = Prediction(model="m", ts=9, prediction="\ud800")
    huge = Prediction(model="m", ts=9, prediction="x" * 9000)
    lane.add([*good[:2], bad, *good[2:], huge], 1, 0.0)
    made, _ = lane.close(1)
    drops = [item.reason for item in made if hasattr(item, "reason")]
    rows = [
        r for item in made if hasattr(item, "payload") for r in read_rows(item.payload, item.seq)
    ]
    assert drops == ["malformed", "oversized"]
    assert [(row["ts"], row["seq"]) for row in rows] == [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5)]


def test_a_batch_keeps_its_bounds():
    lane = Lane(Kind.PREDICTION, "o", BatchSettings(rows=100, bytes="16KiB"))
    rows = [
        Prediction(model="m", ts=n, prediction=1, features={f"f{k}": 0.5 for k in range(50)})
        for n in range(250)
    ]
    lane.add(rows, 1, 0.0)
    made, _ = lane.close(2)
    assert all(len(batch.payload) <= 16 * 1024 for batch in made)
    assert all(batch.rows <= 100 for batch in made)
    assert sum(batch.rows for batch in made) == 250
