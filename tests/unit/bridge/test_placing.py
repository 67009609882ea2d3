"""Where a source partition is read from: what is committed, else what `start` says."""

import logging
from collections import namedtuple

import pytest
from kafka.structs import TopicPartition

from producers.bridge.partitions import OwnedPartitions
from producers.bridge.placing import Placing

Found = namedtuple("Found", "offset")
A, B = TopicPartition("t", 0), TopicPartition("t", 1)


class Consumer:
    """A broker's answers: each partition holds `begin` to `end`, a record a millisecond."""

    def __init__(self, committed=None, begin=0, end=100):
        self.offsets = dict(committed or {})
        self.begin, self.end = begin, end
        self.position = {}

    def partitions_for_topic(self, topic):
        return {0, 1}

    def committed(self, part, timeout_ms):
        return self.offsets.get(part)

    def beginning_offsets(self, parts):
        return dict.fromkeys(parts, self.begin)

    def end_offsets(self, parts):
        return dict.fromkeys(parts, self.end)

    def offsets_for_times(self, times):
        return {part: Found(at) if at < self.end else None for part, at in times.items()}

    def commit(self, offsets, timeout_ms):
        self.offsets.update({part: found.offset for part, found in offsets.items()})

    def seek(self, part, offset):
        self.position[part] = offset


@pytest.mark.parametrize(("start", "first"), [("earliest", 10), ("latest", 100), (20, 60), (0, 80)])
def test_a_first_start(start, first):
    consumer = Consumer(begin=10)
    assert Placing(consumer, start, lambda: 80).first_offset(A) == first


def test_a_time_after_the_last_record_is_its_end():
    assert Placing(Consumer(), 5, lambda: 1_000).first_offset(A) == 100


def test_a_second_start_does_not_choose_again():
    consumer = Consumer()
    Placing(consumer, "latest").first_offset(A)
    consumer.end = 200
    assert Placing(consumer, "latest").first_offset(A) == 100
    assert Placing(consumer, "latest").first_offset(B) == 100


def test_a_partition_that_came_later_is_read_whole():
    assert Placing(Consumer({A: 50}), "latest").first_offset(B) == 0


def test_what_is_committed_counts():
    assert Placing(Consumer({A: 50}), "earliest").first_offset(A) == 50


def test_what_retention_deleted_is_told(caplog):
    assert Placing(Consumer({A: 50}, begin=70), "earliest").first_offset(A) == 70
    assert "20 records were deleted before the bridge had read them" in caplog.text


def test_a_topic_that_was_made_again_is_told(caplog):
    assert Placing(Consumer({A: 500}), "earliest").first_offset(A) == 0
    assert "was the topic made again" in caplog.text


def test_partitions_come_and_go():
    made = []
    consumer = Consumer({A: 50, B: 60})
    owned = OwnedPartitions(
        consumer, Placing(consumer, "earliest"), lambda part, at: made.append((part, at)) or at
    )
    owned.on_partitions_assigned([A, B])
    assert owned.has_news and not owned.lanes
    owned.settle()
    assert owned.lanes == {A: 50, B: 60} == consumer.position
    owned.on_partitions_revoked([A, B])
    owned.on_partitions_assigned([B])
    owned.settle()
    assert owned.lanes == {B: 60}
    assert made == [(A, 50), (B, 60), (B, 60)]


def test_a_partition_is_placed_once_the_broker_answers():
    consumer = Consumer({A: 50})
    owned = OwnedPartitions(consumer, Placing(consumer, "earliest"), lambda part, at: at)
    owned.on_partitions_assigned([A])
    answer, consumer.end_offsets = consumer.end_offsets, lambda parts: {}
    with pytest.raises(KeyError):
        owned.settle()
    assert not owned.lanes
    consumer.end_offsets = answer
    owned.settle()
    assert owned.lanes == {A: 50}


def test_a_log_that_goes_back_is_told(caplog):
    caplog.set_level(logging.WARNING)
    consumer = Consumer({A: 50})

    class Lane:
        def __init__(self, part, at):
            self.next_offset = at

    owned = OwnedPartitions(consumer, Placing(consumer, "earliest"), Lane)
    owned.on_partitions_assigned([A])
    owned.settle()
    owned.rewind(A, 7)
    assert owned.lanes[A].next_offset == 7
    assert "t/0 goes on at offset 7, but 50 was read already" in caplog.text
