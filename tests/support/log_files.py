"""What lies in the input topics, written to files that a replay reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from inferwatch import topics
from inferwatch.events.encoding import Encoding, encoding_of
from pipeline.decode import RawRecord
from pipeline.decode.record import sender_of

OPTIONS = {
    topics.PREDICTIONS: "predictions",
    topics.LATENCIES: "latencies",
    topics.RESOURCES: "resources",
    topics.LABELS: "labels",
}
"""The option of `inferwatch replay` for each topic."""


def write_log(
    folder: Path, log: dict[topics.Topic, dict[int, list[RawRecord]]]
) -> dict[str, list[Path]]:
    """One file of JSON lines for each partition that holds something, by option."""
    files: dict[str, list[Path]] = {}
    for topic, partitions in log.items():
        for number, records in partitions.items():
            if records:
                path = folder / f"{OPTIONS[topic]}-{number}.jsonl"
                lines = (line for record in records for line in _lines(record))
                path.write_bytes(b"".join(line + b"\n" for line in lines))
                files.setdefault(OPTIONS[topic], []).append(path)
    return files


def _lines(record: RawRecord) -> Iterator[bytes]:
    value = record.value or b""
    if encoding_of(record.headers, value) is not Encoding.ARROW:
        yield value
        return
    sender = sender_of(record.headers)
    with pa.ipc.open_stream(value) as reader:
        rows = reader.read_all()
        constants = reader.schema.metadata or {}
    for n, row in enumerate(rows.to_pylist()):
        event: dict[str, Any] = {k.decode(): v.decode() for k, v in constants.items()}
        for name, item in row.items():
            part, dot, rest = name.partition(".")
            if dot:
                event.setdefault(part, {})[rest] = item
            else:
                event[name] = item
        event["received"] = record.timestamp
        if sender.origin is not None and sender.first is not None:
            event |= {"origin": sender.origin, "seq": sender.first + n}
        yield json.dumps(event).encode()
