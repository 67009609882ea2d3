"""Rows per CPU-second from a record's bytes to checked columns: `python -m benchmarks.decode`.

Rows have 16 numeric and 4 categorical features, 2 scores, a segment and an id, as our own sender
writes them. Records come as one partition's fetch would hand them over: 8,192 rows a call. The
yardstick in the same run is a plain reader of the same bytes: pyarrow alone, or orjson alone. What
was decoded is compared with what was written before any time is printed. CPU time of one process
on one core; the best of seven.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import orjson
import pyarrow as pa

from inferwatch.events.arrow_writer import write_batch
from inferwatch.events.kinds import Kind
from inferwatch.events.prediction import Prediction
from pipeline.columns import PredictionRows
from pipeline.decode import Decoded, Decoder, RawRecord

ROWS = 8_192
NOW = 1_764_000_000_000
LIMITS = SimpleNamespace(event_bytes=1024 * 1024, future=300_000)
ARROW = ("content-type", b"application/vnd.apache.arrow.stream")


def make_events() -> list[Prediction]:
    rng = random.Random(20251124)
    return [
        Prediction(
            model="fraud",
            version="7",
            ts=NOW + i,
            id=f"01JD{i:022d}",
            prediction=rng.choice(["legit", "fraud"]),
            features={f"n{j}": rng.gauss(0, 1) for j in range(16)}
            | {f"c{j}": f"category-{rng.randrange(20)}" for j in range(4)},
            scores={"legit": rng.random(), "fraud": rng.random()},
            segment={"region": rng.choice(["eu", "us", "ap"])},
        )
        for i in range(ROWS)
    ]


def check(decoded: Decoded, events: list[Prediction]) -> None:
    """Every value of every row, as it was written."""
    (chunk,) = decoded.chunks
    rows = chunk.rows
    assert isinstance(rows, PredictionRows) and not decoded.rejected
    assert rows.ids == tuple(event.id for event in events)
    assert rows.ts.tolist() == [event.ts for event in events]
    for name, column in rows.features.items():
        sent = [event.features[name] for event in events]
        if column.numbers is not None:
            assert np.array_equal(column.numbers, np.array(sent, np.float64))
        else:
            assert column.codes is not None
            assert [column.texts[code] for code in column.codes] == sent


def cpu_seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(7):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def report(what: str, seconds: float, plain: str, plain_seconds: float) -> None:
    print(
        f"{what:<28}{ROWS / seconds:>12,.0f} rows/CPU-s {seconds / ROWS * 1e6:>7.3f} µs/row"
        f"   beside {plain} {ROWS / plain_seconds:>12,.0f}"
    )


def read_alone(values: list[bytes]) -> None:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    for value in values:
        pa.ipc.open_stream(value, options=options).read_next_batch()


def main() -> None:
    events = make_events()
    decode = Decoder(Kind.PREDICTION, LIMITS, clock=lambda: 0).decode
    for size in (256, 1_024, 4_096):
        parts = [events[i : i + size] for i in range(0, ROWS, size)]
        values = [write_batch(Kind.PREDICTION, part) for part in parts]
        records = [
            RawRecord("t", 0, i, NOW, None, value, (ARROW, ("origin", b"o"), ("seq", b"%d" % i)))
            for i, value in enumerate(values)
        ]
        check(decode(records), events)
        seconds = cpu_seconds(lambda records=records: decode(records))  # type: ignore[misc]
        alone = cpu_seconds(lambda values=values: read_alone(values))  # type: ignore[misc]
        report(f"Arrow, {size:,} rows a record", seconds, "pyarrow", alone)
        written = cpu_seconds(
            lambda parts=parts: [write_batch(Kind.PREDICTION, part) for part in parts]  # type: ignore[misc]
        )
        print(f"{'  written by our sender':<28}{ROWS / written:>12,.0f} rows/CPU-s")
    values = [orjson.dumps(dataclasses.asdict(event)) for event in events]
    records = [RawRecord("t", 0, i, NOW, None, value) for i, value in enumerate(values)]
    check(decode(records), events)
    seconds = cpu_seconds(lambda: decode(records))
    alone = cpu_seconds(lambda: [orjson.loads(value) for value in values])
    report("JSON, one event a record", seconds, "orjson ", alone)


if __name__ == "__main__":
    main()
