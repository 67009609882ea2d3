"""A publisher with a spool: whatever the broker does, each row arrives once or is counted."""

import contextlib
import random
import threading
from collections import defaultdict

import pytest
from eventually import eventually
from sidecar_rig import KeepingBroker
from spool_rig import files, full_disk, snapshot

from inferwatch.events.kinds import Kind
from inferwatch.events.label import Label
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.settings.sidecar import BatchSettings
from producers.batching import partition_of
from producers.budget import ByteBudget
from producers.counters import Counters
from producers.publisher import Publisher
from producers.spool.claims import Place
from producers.spool.spool import Spool

TOPIC = "inference.latencies"


class Broker(KeepingBroker):
    """Tells whose rows they are, too."""

    def numbers(self, kind=Kind.LATENCY):
        """(origin, partition) -> the numbers, in the order of their coming."""
        found = defaultdict(list)
        for batch in self.batches:
            if batch.kind is kind:
                found[batch.origin, batch.partition] += range(batch.seq, batch.seq + batch.rows)
        return dict(found)

    def times(self, kind=Kind.LATENCY):
        return sorted(row["ts"] for row in self.rows(kind))


class Hole(Broker):
    """Takes batches and says nothing, until it is asked to."""

    def __init__(self, *args):
        super().__init__(*args)
        self.held = []
        self.is_silent = True

    def send(self, batch, done):
        if self.is_silent:
            self.held.append((batch, done))
        else:
            super().send(batch, done)

    def speak(self, error=None):
        self.is_silent = False
        held, self.held = self.held, []
        for batch, done in held:
            if error is None:
                super().send(batch, done)
            else:
                done(batch, error)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr("producers.road.FIRST_PAUSE_S", 0.002)
    monkeypatch.setattr("producers.road.LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr("producers.publisher.LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr("producers.road.STUCK_S", 0.02)
    monkeypatch.setattr("producers.spool.spool.TICK_S", 0.005)


@contextlib.contextmanager
def publisher(broker, folder, *, origin="o", queue=2**24, limit=2**24, rows=8, closing_s=2.0):
    counters, budget = Counters(), ByteBudget(queue)
    spool = Spool(Place(folder, "kafka"), limit, origin=origin, budget=budget, counters=counters)
    subject = Publisher(
        lambda: broker.connect(origin),
        origin=origin,
        limits=BatchSettings(rows=rows, every="5ms"),
        budget=budget,
        counters=counters,
        spool=spool,
    )
    subject.counters, subject.budget = counters, budget
    subject.start()
    try:
        yield subject
    finally:
        subject.close(closing_s)


def latencies(count, start=0):
    return [Latency(model="m", ts=n, latency_ms=1.0) for n in range(start, start + count)]


def tell(subject, count, start=0, step=4):
    for n in range(start, start + count, step):
        assert subject.publish(Kind.LATENCY, latencies(step, n))


def written(subject):
    return subject.counters.get("spool_rows_written_total", topic=TOPIC)


def arrive(broker, count):
    eventually(lambda: len(broker.rows(Kind.LATENCY)) >= count, 10, every_s=0.005)


@pytest.mark.parametrize("away", ["is_lost", "is_down"])
def test_what_waited_on_disk_arrives_once_and_in_order(tmp_path, away):
    broker = Broker(3)
    setattr(broker, away, True)
    with publisher(broker, tmp_path) as subject:
        tell(subject, 400)
        eventually(lambda: written(subject) >= 300, 10, every_s=0.005)
        assert files(tmp_path)
        setattr(broker, away, False)
        arrive(broker, 400)
        tell(subject, 40, start=400)
        arrive(broker, 440)
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        eventually(lambda: not files(tmp_path), 10, every_s=0.005)
        assert subject.budget.used == 0
        assert subject.counters.total("rows_dropped_total") == 0
    assert broker.times() == list(range(440))
    for found in broker.numbers().values():
        assert found == list(range(len(found)))
    # Nobody's folder is left.
    assert [path.name for path in tmp_path.glob("*/*")] == ["partitions.json"]


def test_while_the_broker_takes_all_no_file_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("producers.road.STUCK_S", 60.0)
    broker = Broker()
    with publisher(broker, tmp_path) as subject:
        tell(subject, 200)
        arrive(broker, 200)
        assert written(subject) == 0


def test_killed_while_the_broker_is_silent_the_next_one_sends_it(tmp_path):
    hole = Hole(1)
    with publisher(hole, tmp_path / "a") as subject:
        tell(subject, 200)
        eventually(lambda: written(subject) == 200, 10, every_s=0.005)
        # What a kill -9 leaves; the batches that are on their way are there too.
        snapshot(tmp_path / "a", tmp_path / "b")
        after = Broker(1)
        with publisher(after, tmp_path / "b", origin="p") as next_one:
            tell(next_one, 40, start=1000)
            arrive(after, 240)
            eventually(lambda: not files(tmp_path / "b"), 10, every_s=0.005)
        assert after.numbers() == {("o", 0): list(range(200)), ("p", 0): list(range(40))}
        assert after.times() == [*range(200), *range(1000, 1040)]
        # The first one lives on, and its broker has had them all along.
        hole.speak()
        arrive(hole, 200)
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        assert subject.budget.used == 0
    assert hole.times() == list(range(200))
    assert files(tmp_path / "a") == []


def test_behind_a_slow_broker_half_of_memory_waits_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("producers.road.STUCK_S", 60.0)
    hole = Hole(1)
    with publisher(hole, tmp_path, queue=256 * 1024) as subject:
        told = 0
        while subject.budget.used * 2 <= subject.budget.limit:
            tell(subject, 8, start=told)
            told += 8
            eventually(lambda: not subject._lanes[Kind.LATENCY].rows, 10, every_s=0.001)
        assert told > 32 * 8
        eventually(lambda: written(subject), 10, every_s=0.005)
        hole.speak()
        arrive(hole, told)
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        assert subject.counters.total("rows_dropped_total") == 0
    assert hole.numbers() == {("o", 0): list(range(told))}


def test_a_silent_broker_that_fails_gets_them_from_disk_once(tmp_path):
    hole = Hole(1)
    with publisher(hole, tmp_path) as subject:
        tell(subject, 200)
        eventually(lambda: written(subject) == 200, 10, every_s=0.005)
        hole.speak(ConnectionError("it is gone"))
        arrive(hole, 200)
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        assert subject.budget.used == 0
    assert hole.numbers() == {("o", 0): list(range(200))}


class Flaky(Broker):
    """Fails at random, from other threads, sometimes although it took the batch."""

    def __init__(self, seed):
        super().__init__()
        self.luck = random.Random(seed)

    def send(self, batch, done):
        luck = self.luck.random()
        if luck < 0.2:
            raise ConnectionError("send failed")
        if luck > 0.35:
            self.batches.append(batch)
        error = ConnectionError("lost") if luck < 0.5 else None
        threading.Timer(self.luck.random() * 0.05, done, (batch, error)).start()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_and_whenever_it_is_killed_each_row_has_one_number(tmp_path, seed):
    luck = random.Random(seed)
    broker = Flaky(seed)
    folder, told = tmp_path / "0", 0
    for life in range(4):
        with publisher(broker, folder, origin=f"o{life}", limit=2**20) as subject:
            for _ in range(20):
                tell(subject, 8, start=told)
                told += 8
                broker.is_lost = luck.random() < 0.3
            broker.is_lost = False
            if life < 3:
                # What is in memory at the kill is lost with it: let all of it be safe first.
                eventually(lambda: not _unsaved(subject), 10, every_s=0.002)
                snapshot(folder, tmp_path / str(life + 1))
                folder = tmp_path / str(life + 1)
            else:
                eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
                assert subject.budget.used == 0
    by_number = defaultdict(set)
    for batch in broker.batches:
        origin = batch.origin
        for row in _rows(batch):
            by_number[origin, row["partition"], row["seq"]].add(row["ts"])
    assert all(len(times) == 1 for times in by_number.values())
    assert sorted(ts for times in by_number.values() for ts in times) == list(range(told))
    numbers = defaultdict(set)
    for origin, partition, seq in by_number:
        numbers[origin, partition].add(seq)
    assert all(seen == set(range(len(seen))) for seen in numbers.values())


def _rows(batch):
    from sidecar_rig import read_rows

    return read_rows(batch.payload, batch.seq, batch.partition)


def _unsaved(subject):
    with subject._wake:
        return sum(road.unsaved_rows for road in subject._roads)


def test_what_fits_nowhere_is_dropped_by_reason_and_leaves_a_hole(tmp_path):
    broker = Broker(1)
    broker.is_lost = True
    with publisher(broker, tmp_path, queue=64 * 1024, limit=16 * 1024) as subject:
        told = 0
        while subject.counters.total("rows_dropped_total") < 100:
            subject.publish(Kind.LATENCY, latencies(4, told))
            told += 4
            # At the pace of the disk: only what has no room there is to be dropped.
            if subject.budget.used > 32 * 1024 and subject._spool.trouble is None:
                eventually(lambda: subject._spool.trouble or subject.budget.used < 32 * 1024, 5)
        dropped = subject.counters.get("rows_dropped_total", topic=TOPIC, reason="spool_full")
        assert dropped == subject.counters.total("rows_dropped_total") == 100
        broker.is_lost = False
        arrive(broker, told - dropped)
        tell(subject, 4, start=told)
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        (found,) = broker.numbers().values()
    assert len(found) == len(set(found)) == told + 4 - dropped
    assert max(found) == told + 3
    assert len(broker.times()) == len(set(broker.times()))


def test_a_full_disk_costs_nothing_while_memory_lasts(tmp_path):
    broker = Broker(1)
    broker.is_lost = True
    with publisher(broker, tmp_path) as subject:
        with full_disk():
            tell(subject, 200)
            eventually(lambda: subject._spool.trouble == "spool_error", 10, every_s=0.005)
            broker.is_lost = False
            arrive(broker, 200)
        eventually(lambda: subject.pending_rows == 0, 10, every_s=0.005)
        assert subject.counters.get("spool_errors_total", error="EFBIG") >= 1
        assert subject.counters.total("rows_dropped_total") == 0
        assert subject.counters.total("tap_errors_total") == 0
    assert broker.numbers() == {("o", 0): list(range(200))}


def test_a_process_that_ends_leaves_all_to_the_next_one(tmp_path):
    broker = Broker(2)
    broker.is_lost = True
    row = Prediction(model="m", ts=7, prediction="a", features={"x": 1.0})
    with publisher(broker, tmp_path, closing_s=0.2) as subject:
        tell(subject, 100)
        subject.publish(Kind.PREDICTION, [row])
    assert subject.counters.total("rows_dropped_total") == 0
    assert subject.spooled_rows == 101
    broker.is_lost = False
    with publisher(broker, tmp_path, origin="p"):
        arrive(broker, 100)
        eventually(lambda: broker.rows(Kind.PREDICTION), 10, every_s=0.005)
    assert broker.times() == list(range(100))
    assert {origin for origin, _ in broker.numbers()} == {"o"}
    assert files(tmp_path) == []


def test_a_process_that_ends_with_a_full_disk_counts_what_is_lost(tmp_path):
    broker = Broker(2)
    broker.is_lost = True
    with full_disk():
        with publisher(broker, tmp_path, closing_s=0.2) as subject:
            tell(subject, 100)
        assert subject.counters.get("rows_dropped_total", topic=TOPIC, reason="shutdown") == 100


def test_one_topic_that_fails_does_not_send_the_others_to_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("producers.road.STUCK_S", 60.0)

    class Half(Broker):
        def partitions(self, kind):
            if kind is Kind.PREDICTION:
                raise ConnectionError("no such topic")
            return super().partitions(kind)

    broker = Half(1)
    with publisher(broker, tmp_path) as subject:
        subject.publish(Kind.PREDICTION, [Prediction(model="m", ts=7, prediction="a")])
        eventually(
            lambda: subject.counters.total("spool_rows_written_total") == 1, 10, every_s=0.005
        )
        tell(subject, 200)
        arrive(broker, 200)
        assert written(subject) == 0


def test_labels_are_spooled_once_their_partition_is_known(tmp_path):
    broker = Broker(4)
    labels = [Label(id=f"id-{n}", ts=0, label="x") for n in range(40)]
    with publisher(broker, tmp_path) as subject:
        assert subject.offer(Kind.LABEL, labels)
        eventually(lambda: len(broker.rows(Kind.LABEL)) == 40, 10, every_s=0.005)
        broker.is_down = True
        assert subject.offer(Kind.LABEL, labels)
        eventually(
            lambda: subject.counters.total("spool_rows_written_total") == 40, 10, every_s=0.005
        )
        broker.is_down = False
        eventually(lambda: len(broker.rows(Kind.LABEL)) == 80, 10, every_s=0.005)
    first, second = (
        {(row["id"], row["partition"]) for row in part}
        for part in (broker.rows(Kind.LABEL)[:40], broker.rows(Kind.LABEL)[40:])
    )
    assert first == second
    for found in broker.numbers(Kind.LABEL).values():
        assert found == list(range(len(found)))


def test_labels_posted_to_a_start_without_kafka_are_spooled_too(tmp_path):
    broker = Broker(4)
    with publisher(broker, tmp_path) as subject:
        assert subject.offer(Kind.LABEL, [Label(id="a", ts=0, label="x")])
        eventually(lambda: broker.rows(Kind.LABEL), 10, every_s=0.005)
    broker.is_lost = True
    labels = [Label(id=f"id-{n}", ts=0, label="x") for n in range(40)]
    with publisher(broker, tmp_path, origin="p", closing_s=0.2) as subject:
        eventually(lambda: subject._spool.lines[Kind.LABEL].partitions, 10, every_s=0.005)
        assert subject.offer(Kind.LABEL, labels)
    assert subject.spooled_rows == 40
    broker.is_lost = False
    with publisher(broker, tmp_path, origin="q"):
        eventually(lambda: len(broker.rows(Kind.LABEL)) == 41, 10, every_s=0.005)
    assert all(row["partition"] == partition_of(row["id"], 4) for row in broker.rows(Kind.LABEL))
    kept = tmp_path.glob("*/*")
    assert [path.name for path in kept] == ["partitions.json"]


def test_two_that_share_a_folder_send_their_own(tmp_path):
    broker = Broker(1)
    broker.is_lost = True
    with publisher(broker, tmp_path, origin="a") as one, publisher(broker, tmp_path) as other:
        tell(one, 100)
        tell(other, 100, start=100)
        eventually(lambda: written(one) >= 60 and written(other) >= 60, 10, every_s=0.005)
        broker.is_lost = False
        arrive(broker, 200)
        eventually(lambda: one.pending_rows + other.pending_rows == 0, 10, every_s=0.005)
    assert broker.numbers() == {("a", 0): list(range(100)), ("o", 0): list(range(100))}
    assert broker.times() == list(range(200))
