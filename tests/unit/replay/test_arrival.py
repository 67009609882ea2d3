"""Several files become one order of arrival."""

import heapq
import json
import random

import numpy as np
import pytest

from inferwatch.events.kinds import Kind
from pipeline.decode import Decoder, RawRecord
from pipeline.replay import event_lines
from pipeline.replay.arrival import in_order
from pipeline.replay.event_lines import line_parts


class Limits:
    event_bytes = 1_000
    future = 300_000


def lines(times, name):
    return [
        json.dumps({"model": "m", "version": name, "ts": ts, "prediction": "x"}).encode()
        for ts in times
    ]


def parts_of(events):
    return line_parts(iter(events), Kind.PREDICTION, Limits, 10**12)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_smallest_of_the_first_rows_comes_next(monkeypatch, size):
    """As a merge row by row does, for files that are out of order too."""
    monkeypatch.setattr(event_lines, "LINES", size)
    rnd = random.Random(1)
    for _ in range(20):
        files = [[rnd.randrange(40) for _ in range(rnd.randrange(12))] for _ in range(3)]
        want = [
            (str(n), ts)
            for ts, n in heapq.merge(*([(ts, n) for ts in file] for n, file in enumerate(files)))
        ]
        batches = in_order(
            (
                Kind.PREDICTION,
                line_parts(iter(lines(file, str(n))), Kind.PREDICTION, Limits, 10**12),
            )
            for n, file in enumerate(files)
        )
        got = {}
        for batch in batches:
            for _, chunk in batch.chunks:
                for offset, ts, code in zip(
                    chunk.offset.tolist(), chunk.rows.ts.tolist(), chunk.rows.version, strict=True
                ):
                    assert batch.first <= offset < batch.first + batch.size
                    got[offset] = (chunk.rows.versions[code], ts)
        assert [got[n] for n in range(len(got))] == want


def test_a_file_of_bad_rows_alone_still_tells_their_numbers():
    bad = [json.dumps({"origin": "s", "seq": n}).encode() for n in range(3)]
    (batch,) = in_order([(Kind.PREDICTION, parts_of(bad))])
    assert batch.size == 0
    assert batch.rejected == {Kind.PREDICTION: {"no_model": 3}}
    assert np.concatenate([c.rejected_seq for _, c in batch.chunks]).tolist() == [0, 1, 2]


def test_lines_are_decoded_as_records_are():
    value = b'{"model": "m", "ts": 1.5, "prediction": "x"}'
    (part,) = parts_of([value, b"", b"  ", b"{"])
    decoder = Decoder(Kind.PREDICTION, Limits, clock=lambda: 0)
    records = [RawRecord("t", 0, n, 10**12, None, v) for n, v in enumerate([value, b"{"])]
    assert sum(part.rejected.values()) == len(decoder.decode(records).rejected) == 2
