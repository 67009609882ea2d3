"""A worker without Faust, that kills itself where it is told to: what the commit tests run.

    python engine_driver.py CONFIG [--kill POINT[:N]]... [--break NAME]

Each `--kill` is one life: the engine runs in a process of its own, which ends with SIGKILL at the
Nth time that it comes to the point; then the next life begins. The last life goes on until
SIGTERM. Whatever was acknowledged, each life reads on a little further than it should, as Faust
sometimes does: so every life begins with a hole. `--break` runs the engine with a broken protocol
(broken_protocol.py).

The engine is the real one, on a real Kafka and Redis; only the consumer group is left out, whose
time-outs would make each death cost ten seconds.
"""

import argparse
import asyncio
import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from broken_protocol import BREAKS

from inferwatch import topics
from inferwatch.settings import Settings, load
from inferwatch.store import connect_async
from pipeline.commit import PartitionOwner
from pipeline.engine import KINDS, Engine
from pipeline.log import raw_record
from pipeline.reference_feed import ReferenceFeed
from pipeline.state.evaluations import EvaluationStore
from pipeline.state.kept import KeptStore
from pipeline.state.keys import SourcePartition
from pipeline.state.partitions import PartitionStore
from pipeline.worker import find_partitions

POINTS: dict[str, tuple[type, str, str]] = {
    # The numbered steps of pipeline/commit.py, and what comes right after each.
    "1-load": (PartitionOwner, "_load", "after"),
    "2-skip": (PartitionOwner, "_mend", "before"),
    "3-mend": (PartitionOwner, "_mend", "after"),
    "4-fold": (KeptStore, "keep", "before"),
    "5-keep": (PartitionStore, "write", "before"),
    "6-write": (PartitionStore, "write", "after"),
    "7-notify": (Engine, "_notify", "after"),
    "8-acknowledge": (Engine, "_acknowledged", "after"),
    # The evaluator's.
    "pending": (EvaluationStore, "add_pending", "after"),
    "clean": (PartitionStore, "clean", "after"),
    "publish": (Engine, "_send_window", "after"),
    "judge": (EvaluationStore, "write", "after"),
}
"""Where a life may end: class, method, before or after it."""

NOT_REACHED = 3
NOT_REACHED_AFTER_S = 25.0
TOO_FAR = 15
"""Records that each life skips at its beginning."""

STUCK_AFTER_S = 7.0

TO_THE_END = 2**40

TWICE_EVERY = 3
"""Each such poll is delivered twice, as it may be after a rebalance."""


class Transport:
    """Sends with aiokafka."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, topic, key, value, partition=None, headers=()):
        try:
            await self._producer.send_and_wait(
                topic, value, key=key, partition=partition, headers=list(headers)
            )
        except KafkaError as error:
            raise ConnectionError(f"Kafka did not take a record of {topic}: {error}") from error


class Countdown:
    """Ends the process the Nth time that a point is come to."""

    def __init__(self, times: int) -> None:
        self._left = times

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self, owner: type, method: str, when: str) -> None:
        original = getattr(owner, method)

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if when == "before":
                self()
            result = await original(*args, **kwargs)
            if when == "after":
                self()
            return result

        setattr(owner, method, wrapped)


async def live(
    settings: Settings,
    partitions: dict[str, int],
    acknowledged: Callable[[], None],
    too_far: int,
):
    """One life of the engine; it skips `too_far` records at its beginning."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    prefix = settings.topics.prefix
    feed = ReferenceFeed(settings)
    await feed.read_to_end()
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker.bootstrap)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker.bootstrap,
        group_id=topics.consumer_group(prefix, "worker"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        metadata_max_age_ms=1_000,
    )
    await producer.start()
    await consumer.start()
    parts = [
        TopicPartition(topic.full_name(prefix), number)
        for topic in KINDS
        for number in range(partitions[topic.full_name(prefix)])
    ]
    consumer.assign(parts)
    ends = await consumer.end_offsets(parts)
    for part in parts:
        committed = await consumer.committed(part) or 0
        consumer.seek(part, min(ends[part], committed + too_far))
    client = connect_async(settings.redis)
    engine = Engine(settings, client, feed, Transport(producer), partitions)
    engine.start()
    sources = [SourcePartition(part.topic, part.partition) for part in parts]
    await engine.assign(sources, range(partitions[topics.DIRTY.full_name(prefix)]))
    polls = 0
    # An acknowledgement comes when its step is done, which may be many polls after its record.
    done: dict[TopicPartition, int] = {}
    while not stop.is_set() and not engine.failure.done():
        polls += 1
        for part, records in (await consumer.getmany(timeout_ms=100, max_records=200)).items():
            for record in records * (2 if polls % TWICE_EVERY == 0 else 1):
                await engine.take(raw_record(record), _acknowledge(done, part, record.offset))
        await asyncio.sleep(0.05)
        while done:
            part, offset = done.popitem()
            await consumer.commit({part: offset + 1})
            acknowledged()
    if engine.failure.done():
        raise engine.failure.result()
    # A life that does not end says where it is, before whoever waits for it gives up.
    faulthandler.dump_traceback_later(STUCK_AFTER_S)
    await engine.stop()
    await client.aclose()


def _acknowledge(done: dict[TopicPartition, int], part: TopicPartition, offset: int) -> Any:
    return lambda: done.__setitem__(part, max(done.get(part, -1), offset))


def run_life(path: str, kill: str | None, broken: str | None) -> NoReturn:
    """One life, in this process; never returns."""
    acknowledged: Callable[[], None] = lambda: None  # noqa: E731
    if broken:
        BREAKS[broken]()
    if kill:
        name, _, times = kill.partition(":")
        countdown = Countdown(int(times or 1))
        if name == "8-acknowledge":
            acknowledged = countdown
        else:
            countdown.install(*POINTS[name])
        signal.signal(signal.SIGALRM, lambda *_: os._exit(NOT_REACHED))
        signal.setitimer(signal.ITIMER_REAL, NOT_REACHED_AFTER_S)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    settings = load(path)
    # To end in a hole there must be one, also where much was written and not acknowledged.
    too_far = TO_THE_END if kill and kill[0] in "23" else TOO_FAR
    asyncio.run(live(settings, find_partitions(settings), acknowledged, too_far))
    sys.exit(0)


def main() -> int:
    """All lives, one after the other; prints a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--kill", action="append", default=[])
    parser.add_argument("--break", dest="broken")
    options = parser.parse_args()
    for kill in [*options.kill, None]:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            run_life(options.config, kill, options.broken)
        if kill is None:
            # This process waits only: SIGTERM is the last life's to end on.
            signal.signal(signal.SIGTERM, lambda *_, child=child: os.kill(child, signal.SIGTERM))
            print("the last life", flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if kill is None:
            return code
        print(f"{kill}: {code} after {time.monotonic() - began:.1f} s", flush=True)
        if code != -signal.SIGKILL:
            return code or NOT_REACHED
    return 0


if __name__ == "__main__":
    sys.exit(main())
