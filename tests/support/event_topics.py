"""All rows that stand in an input topic, as what sent them wrote them."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from sidecar_rig import read_rows

from inferwatch.events.kinds import ARROW_STREAM


def rows_of_topic(topic: str, bootstrap: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of a topic's batches, with the headers of their records."""
    with contextlib.closing(
        KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **options)
    ) as consumer:
        places = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        rows = []
        deadline = time.monotonic() + 20
        while any(consumer.position(place) < ends[place] for place in places):
            assert time.monotonic() < deadline
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    headers = dict(record.headers)
                    assert headers["content-type"] == ARROW_STREAM.encode()
                    found = read_rows(record.value, int(headers["seq"]), record.partition)
                    rows += [
                        {**row, "origin": headers["origin"].decode(), "key": record.key}
                        for row in found
                    ]
        return rows


def numbers(rows: list[dict[str, Any]]) -> dict[tuple[str, int], set[int]]:
    """The numbers seen, by origin and partition; of a resend the first copy counts."""
    found: dict[tuple[str, int], set[int]] = {}
    for row in rows:
        found.setdefault((row["origin"], row["partition"]), set()).add(row["seq"])
    return found
