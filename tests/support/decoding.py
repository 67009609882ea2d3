"""Records, a decoder, and decoded rows as plain values that tests can compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from inferwatch.events.kinds import Kind
from pipeline.columns import Column, LabelRows, LatencyRows, PredictionRows, ResourceRows
from pipeline.decode import Chunk, Decoded, Decoder, RawRecord

NOW = 1_764_000_000_000
AT = 1_764_000_099_000
Headers = tuple[tuple[str, bytes], ...]
ARROW: Headers = (("content-type", b"application/vnd.apache.arrow.stream"),)


@dataclass(frozen=True)
class Limits:
    event_bytes: int = 1024 * 1024
    future: int = 300_000


def decoder(kind: Kind = Kind.PREDICTION, *, keep: Any = "full", **limits: int) -> Decoder:
    return Decoder(kind, Limits(**limits), clock=lambda: AT, keep=keep)


def record(
    value: bytes | None, headers: Headers = (), *, offset: int = 0, partition: int = 0
) -> RawRecord:
    return RawRecord("inference.x", partition, offset, NOW, None, value, headers)


def json_record(event: object, headers: Headers = (), **place: int) -> RawRecord:
    return record(json.dumps(event).encode(), headers, **place)


def stream(columns: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """An Arrow stream as a foreign producer with pyarrow would write it."""
    arrays = [v if isinstance(v, pa.Array) else pa.array(v) for v in columns.values()]
    schema = pa.schema(
        [pa.field(n, a.type) for n, a in zip(columns, arrays, strict=True)], metadata=metadata
    )
    return ipc([pa.record_batch(arrays, schema=schema)])


def ipc(batches: list[pa.RecordBatch], **options: Any) -> bytes:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        out, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)
    ) as writer:
        for batch in batches:
            writer.write_batch(batch)
    data: bytes = out.getvalue().to_pybytes()
    return data


def arrow_record(
    columns: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    headers: Headers = (),
    **place: int,
) -> RawRecord:
    return record(stream(columns, metadata), ARROW + headers, **place)


def reasons(decoded: Decoded) -> list[tuple[str, str]]:
    return [(letter.reason, letter.where) for letter in decoded.rejected]


def values(column: Column) -> list[object]:
    """Each value by itself: a double as its repr, a text in quotes, `odd`, or None."""
    found: list[object] = []
    missing = column.missing()
    for i in range(column.size):
        if missing[i]:
            found.append(None)
        elif column.numbers is not None and (column.is_number is None or column.is_number[i]):
            found.append(repr(float(column.numbers[i])))
        elif column.codes is not None and column.codes[i] >= 0:
            found.append(f"'{column.texts[column.codes[i]]}'")
        else:
            found.append("odd")
    return found


def rows(decoded: Decoded) -> list[dict[str, Any]]:
    """All rows of all chunks in the order of the log."""
    placed = [
        (int(chunk.offset[i]), int(chunk.row[i]), row)
        for chunk in decoded.chunks
        for i, row in enumerate(_rows(chunk))
    ]
    placed.sort(key=lambda entry: entry[:2])
    return [row for _, _, row in placed]


def _rows(chunk: Chunk) -> list[dict[str, Any]]:
    data = chunk.rows
    columns: dict[str, list[object]] = {"ts": data.ts.tolist()}
    if data.seq is not None:
        columns["seq"] = data.seq.tolist()
    if not isinstance(data, LabelRows):
        columns["model"] = [data.models[code] for code in data.model]
        columns["version"] = [data.versions[code] for code in data.version]
    if isinstance(data, PredictionRows):
        columns["id"] = [None] * data.size if data.ids is None else list(data.ids)
        columns["prediction"] = values(data.prediction)
        for part in ("features", "scores", "segments"):
            for name, column in getattr(data, part).items():
                columns[f"{part}.{name}"] = values(column)
    elif isinstance(data, LatencyRows):
        for name in ("latency_ms", "ttft_ms", "tokens_out"):
            columns[name] = [repr(v) for v in getattr(data, name).tolist()]
        columns["failed"] = data.failed.tolist()
    elif isinstance(data, ResourceRows):
        columns |= {n: [repr(v) for v in a.tolist()] for n, a in data.metrics.items()}
    else:
        columns |= {
            "id": list(data.ids),
            "text": list(data.texts),
            "number": [repr(v) for v in data.numbers.tolist()],
        }
    assert all(len(column) == data.size == len(chunk.offset) for column in columns.values())
    return [{name: column[i] for name, column in columns.items()} for i in range(data.size)]
