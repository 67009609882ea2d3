"""A worker process: checks what it needs, reads the references, works until told to end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from inferwatch import topics
from inferwatch.broker import reach_broker
from inferwatch.errors import ServiceUnreachableError, UsageError
from inferwatch.settings import Settings
from inferwatch.store import connect, connect_async, reach_redis
from pipeline.app import run_worker
from pipeline.garbage import rest_collector
from pipeline.log import LogReader
from pipeline.reference_feed import ReferenceFeed

log = logging.getLogger(__name__)

START_WITHIN_S = 10.0
STOP_WITHIN_S = 8.0


def serve(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Raises:
        ServiceUnreachableError: Kafka or Redis did not answer within 10 s.
        UsageError: a topic is missing, or Redis would evict counts.
    """
    _retry(lambda: reach_broker(settings, timeout_s=START_WITHIN_S / 2))
    _retry(lambda: reach_redis(settings))
    check_policy(settings)
    partitions = find_partitions(settings)
    asyncio.run(_serve(settings, partitions))


def check_policy(settings: Settings) -> None:
    """Refuse a Redis that may evict: it would delete counts without a word.

    Raises:
        UsageError: its policy is another than noeviction.
    """
    with connect(settings.redis) as client:
        policy = _policy(client)
    if policy not in (None, "noeviction"):
        raise UsageError(
            f"Redis has maxmemory-policy {policy}: it would delete counts without a word; "
            "set it with `redis-cli config set maxmemory-policy noeviction`"
        )


def _policy(client: Any) -> str | None:
    try:
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except redis.ResponseError:  # CONFIG is not allowed to this user, or renamed
        policy = client.info("memory").get("maxmemory_policy")
    return policy.decode() if isinstance(policy, bytes) else policy


def find_partitions(settings: Settings) -> dict[str, int]:
    """The number of partitions of every topic.

    Raises:
        UsageError: one is missing.
    """
    log_reader = LogReader(settings.broker)
    names = [topic.full_name(settings.topics.prefix) for topic in topics.ALL]
    found = {name: len(log_reader.partitions(name)) for name in names}
    missing = [name for name, count in found.items() if not count]
    if missing:
        raise UsageError(
            f"no such topic: {', '.join(missing)}; "
            "make them with `inferwatch topics create -c FILE`"
        )
    return found


async def _serve(settings: Settings, partitions: dict[str, int]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A fold that reads a pane waits for the loop in its thread, one a partition; a connection that
    # breaks then needs one more to look up the name of its server.
    threads = 8 + sum(partitions.values())
    loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="work"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ending = asyncio.create_task(_end_in_time(stop))
    feed = ReferenceFeed(settings)
    await feed.read_to_end()
    client = connect_async(settings.redis)
    try:
        rest_collector()
        log.info("working")
        await run_worker(settings, client, feed, partitions, stop)
    finally:
        # Also after a failure nothing may hang: whoever supervises starts another one.
        stop.set()
        await asyncio.sleep(0)
        feed.close()
        await client.aclose()
        ending.cancel()
    log.info("stopped")


async def _end_in_time(stop: asyncio.Event) -> None:
    """Once asked to stop, end by force what does not end by itself.

    A thread may wait for a Kafka that is gone, and Python waits for its threads. Nothing is lost:
    what was not written is counted by the next owner.
    """
    await stop.wait()
    timer = threading.Timer(STOP_WITHIN_S, os._exit, args=(0,))
    timer.daemon = True
    timer.start()


def _retry(attempt: Callable[[], None]) -> None:
    """Try for a while: services that start together need not start in order."""
    pause, until = 0.5, time.monotonic() + START_WITHIN_S
    while True:
        try:
            return attempt()
        except ServiceUnreachableError as error:
            if time.monotonic() + pause > until:
                raise
            log.warning("%s; again in %.1f s", error, pause)
            time.sleep(pause)
            pause *= 2
