"""What became of each row of an input topic, counted from the log alone, by other code than ours.

The counters of the windows are held against it: pyarrow and json read the records, sets of numbers
say what came twice and what never came.
"""

import io
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import orjson
import pyarrow as pa
from recompute import read_topic

from inferwatch import topics
from inferwatch.settings import Settings

FIVE_MINUTES = 300_000


@dataclass
class LogCounts:
    """Of one input topic.

    Attributes:
        good: rows to be counted, each once.
        duplicates: good rows that came again under their number.
        lost: numbers below a sender's highest that never came.
        letters: dead letters that there must be, by reason.
        too_late: what `status` tells.
    """

    good: int = 0
    duplicates: int = 0
    lost: int = 0
    letters: Counter[str] = field(default_factory=Counter)
    too_late: int = 0


def count_log(
    settings: Settings, topic: topics.Topic, *, future_ms: int = FIVE_MINUTES
) -> LogCounts:
    """Count the rows of a topic as they lie in the log."""
    found = LogCounts()
    for records in read_topic(settings, topic).values():
        numbers: dict[str, set[int]] = defaultdict(set)
        for record in records:
            headers = dict(record.headers)
            origin = headers.get("origin", b"").decode()
            for place, ts in enumerate(_times(record.value, "content-type" in headers)):
                number = int(headers.get("seq", b"0")) + place
                seen = origin != "" and number in numbers[origin]
                numbers[origin].add(number)
                if ts is None or ts > record.timestamp + future_ms:
                    found.letters["malformed" if ts is None else "future"] += 1
                elif seen:
                    found.duplicates += 1
                else:
                    found.good += 1
        found.lost += sum(max(seen) + 1 - len(seen) for name, seen in numbers.items() if name)
    return found


def dead_letters(settings: Settings) -> Counter[tuple[str, str]]:
    """The dead letters that there are, each once, by topic and reason."""
    found = {}
    for records in read_topic(settings, topics.DEADLETTER).values():
        for record in records:
            letter = orjson.loads(record.value)
            found[record.key, letter["row"]] = letter["topic"], letter["reason"]
    return Counter(found.values())


def _times(value: bytes, is_batch: bool) -> list[int | None]:
    if is_batch:
        with pa.ipc.open_stream(io.BytesIO(value)) as stream:
            return stream.read_all().column("ts").to_pylist()
    ts = json.loads(value)["ts"]
    return [ts if isinstance(ts, int) else None]


def check_counters(rig, *, future_ms: int = FIVE_MINUTES) -> LogCounts:
    """Hold the counters of `status` and the dead letters against the log.

    Args:
        rig: of the run; its `status` is asked.
        future_ms: `limits.future`.
    """
    settings = rig.settings
    wanted: Counter[tuple[str, str]] = Counter()
    for topic in topics.INPUTS:
        letters = count_log(settings, topic, future_ms=future_ms).letters
        for reason, number in letters.items():
            wanted[topic.full_name(settings.topics.prefix), reason] = number
    assert dead_letters(settings) == wanted
    counts = count_log(settings, topics.PREDICTIONS, future_ms=future_ms)
    told = json.loads(rig.output("status", "--json"))["partitions"]
    name = topics.PREDICTIONS.full_name(settings.topics.prefix)
    mine = [part for part in told if part["topic"] == name]
    assert (counts.good, counts.duplicates, counts.lost) == tuple(
        sum(part[field] for part in mine) for field in ("rows", "duplicates", "lost")
    )
    counts.too_late = sum(part["too_late"] for part in mine)
    return counts
