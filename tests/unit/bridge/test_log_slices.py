"""Slices of a fetched partition hold what the client's own records do, in every format."""

import random
from types import SimpleNamespace

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, UnsupportedCodecError
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.structs import TopicPartition

from producers.bridge import log_slices
from producers.bridge.log_slices import LogSlice, LogSlices, hand_out_slices, read_batch

PART = TopicPartition("t", 0)
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def batch(rng, base, count, *, codec=0, magic=2, keys=True, headers=True):
    """A batch of records with keys, headers and null values here and there."""
    builder = MemoryRecordsBuilder(magic, codec, 2**24, offset=base)
    for _ in range(count):
        size = rng.choice([0, 1, 63, 64, 130, 9_000])
        # Repeated bytes, so that a codec makes them smaller: else batches stay as they are.
        value = None if rng.random() < 0.1 else (rng.randbytes(8) * 1_200)[:size]
        key = rng.randbytes(rng.choice([0, 5, 200])) if keys and rng.random() < 0.3 else None
        sent = [("ce_id", b"x" * 70), ("ü", b"")] if headers and rng.random() < 0.2 else []
        builder.append(1_764_000_000_000 + rng.randrange(-5, 2**20), key, value, sent)
    builder.close()
    return bytes(builder.buffer())


def theirs(data, first=0):
    records = Fetcher.PartitionRecords(first, PART, MemoryRecords(data)).take()
    return [(r.offset, r.timestamp, r.value, tuple(r.headers or ())) for r in records]


def ours(data, first=0, **options):
    part = LogSlices(first, PART, MemoryRecords(data), **options)
    found = [
        (offset, timestamp, value, one.headers.get(index, ()))
        for one in part.take()
        for index, (offset, timestamp, value) in enumerate(
            zip(one.offsets, one.timestamps, one.values, strict=True)
        )
    ]
    return found, part


@pytest.mark.parametrize("codec", CODECS)
def test_every_record_is_as_the_client_reads_it(codec):
    rng = random.Random(codec)
    data = b"".join(
        batch(rng, base, count, codec=CODECS[codec])
        for base, count in ((0, 100), (100, 1), (101, 9_000))
    )
    assert data[22] == CODECS[codec], "the batch is to be compressed"
    found, part = ours(data)
    assert found == theirs(data)
    assert part.next_fetch_offset == 9_101
    assert not part


def test_a_fetch_begins_in_the_middle_of_a_batch():
    data = batch(random.Random(1), 50, 40)
    found, _ = ours(data, first=70)
    assert found == theirs(data, first=70)
    assert found[0][0] == 70


def test_holes_of_a_compacted_batch_stay_holes():
    builder = MemoryRecordsBuilder(2, 0, 2**20)
    for offset in (0, 3, 70, 9_000, 2_000_000):
        builder.skip(offset - builder.next_offset())
        builder.append(5, b"key", b"value", [])
    builder.close()
    data = bytes(builder.buffer())
    assert [offset for offset, *_ in ours(data)[0]] == [0, 3, 70, 9_000, 2_000_000]


def test_the_time_of_the_broker_wins_where_the_topic_says_so():
    data = bytearray(batch(random.Random(2), 0, 3))
    data[22] |= log_slices._LOG_APPEND_TIME
    data[35:43] = (77).to_bytes(8, "big")
    data[17:21] = log_slices.crc32c(bytes(data[21:])).to_bytes(4, "big")
    assert [timestamp for _, timestamp, *_ in ours(bytes(data))[0]] == [77, 77, 77]
    assert ours(bytes(data))[0] == theirs(bytes(data))


def test_the_last_batch_of_a_fetch_may_be_cut_off():
    rng = random.Random(3)
    whole, cut = batch(rng, 0, 10), batch(rng, 10, 10)[:-5]
    found, part = ours(whole + cut)
    assert found == theirs(whole)
    assert part.next_fetch_offset == 10


@pytest.mark.parametrize("magic", [0, 1])
def test_older_formats_go_through_the_clients_own_code(magic):
    data = batch(random.Random(4), 0, 20, magic=magic, headers=False)
    assert ours(data)[0] == theirs(data)


def test_what_a_transaction_took_back_is_left_out():
    def transactional(base, producer):
        builder = DefaultRecordBatchBuilder(2, 0, True, producer, 0, 0, 2**20)
        for delta in range(3):
            builder.append(delta, timestamp=5, key=None, value=b"v", headers=[])
        data = bytearray(builder.build())
        data[0:8] = base.to_bytes(8, "big")
        return bytes(data)

    data = transactional(0, 7) + transactional(3, 8)
    aborted = [SimpleNamespace(first_offset=0, producer_id=7)]
    committed = log_slices.Fetcher.PartitionRecords(0, PART, MemoryRecords(data)).isolation_level
    found, _ = ours(data, isolation_level=1, aborted_transactions=aborted)
    assert committed == 0
    assert [offset for offset, *_ in found] == [3, 4, 5]


def test_a_damaged_batch_is_said_and_not_guessed():
    data = bytearray(batch(random.Random(5), 0, 10))
    data[-3] ^= 1
    with pytest.raises(CorruptRecordError, match="offset 0 failed its check"):
        read_batch(memoryview(bytes(data)))
    data[17:21] = log_slices.crc32c(bytes(data[21:])).to_bytes(4, "big")
    data[60] = 200  # more records than there are
    data[17:21] = log_slices.crc32c(bytes(data[21:])).to_bytes(4, "big")
    with pytest.raises(CorruptRecordError):
        read_batch(memoryview(bytes(data)))


def test_a_codec_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(log_slices._CODECS, 4, ("zstd", lambda: False, bytes))
    data = batch(random.Random(6), 0, 30, codec=4)
    with pytest.raises(UnsupportedCodecError, match="zstd"):
        read_batch(memoryview(data))


def test_a_slice_is_cut_with_its_headers():
    whole = LogSlice()
    for offset in range(6):
        whole.add(offset, 0, b"v", (("n", b"%d" % offset),) if offset % 2 else ())
    first, others = whole.split(3)
    first.extend(others)
    assert (first.offsets, first.headers) == (whole.offsets, whole.headers)
    assert others.headers == {0: (("n", b"3"),), 2: (("n", b"5"),)}


def test_the_client_still_has_the_place_where_slices_are_handed_out():
    """kafka-python's consumer names it privately: a version without it has to be seen here."""
    fetcher = SimpleNamespace(PartitionRecords=Fetcher.PartitionRecords)
    hand_out_slices(SimpleNamespace(_fetcher=fetcher))
    assert fetcher.PartitionRecords is LogSlices
    assert "self.PartitionRecords(" in __import__("inspect").getsource(Fetcher)
