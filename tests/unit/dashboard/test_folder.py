import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from dashboard_rig import Publisher
from fed_dashboard import HISTORY_MS
from results import START, alert, stretch, window

from consumers.dashboard.folder import Folder
from consumers.dashboard.positions import Positions
from consumers.dashboard.source import Source
from consumers.dashboard.store import Store
from inferwatch.embedded.broker import EmbeddedBroker
from inferwatch.events.alert import Status
from inferwatch.topics import ALERTS, WINDOWS


async def until(check, folder: Folder, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, (folder.trouble, folder.folded, folder.lag)
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running(broker: EmbeddedBroker, store: Store, prefix: str):
    options = {"bootstrap_servers": broker.bootstrap, "api_version": broker.api_version}
    topics = [t.full_name(prefix) for t in (WINDOWS, ALERTS)]
    folder = Folder(
        lambda positions: Source(options, topics, positions),
        store,
        clock=lambda: START,
        history_ms=HISTORY_MS,
    )
    task = asyncio.create_task(folder.run())
    try:
        yield folder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        folder.close()


async def test_topics_that_come_later_are_followed(mock_broker, store, prefix) -> None:
    publisher = Publisher(mock_broker.bootstrap, prefix)
    async with running(mock_broker, store, prefix) as folder:
        await until(lambda: folder.caught_up, folder)
        publisher.windows(stretch(30))
        publisher.alerts(alert(), alert(status=Status.RESOLVED, updated_at=START + 5))
        await until(lambda: folder.folded == {"windows": 30, "alerts": 2}, folder)
        assert not folder.incidents.firing()


async def test_a_restart_reads_only_what_is_new(mock_broker, store, redis, prefix) -> None:
    publisher = Publisher(mock_broker.bootstrap, prefix)
    publisher.windows(stretch(20))
    async with running(mock_broker, store, prefix) as folder:
        await until(lambda: folder.folded["windows"] == 20, folder)
    publisher.windows([window(20), replace(window(3, bad=True), revision=1)])
    again = Store(redis, prefix, HISTORY_MS)
    async with running(mock_broker, again, prefix) as folder:
        await until(lambda: folder.folded["windows"] == 2, folder)
        assert folder._positions.generation == 0
        (head,) = folder.catalogue.heads()
        assert len(head.trail) == 21


async def test_a_broker_that_lost_its_log_is_read_from_the_start(store, redis, prefix) -> None:
    with EmbeddedBroker() as broker:
        Publisher(broker.bootstrap, prefix).windows(
            [replace(window(i), revision=5) for i in range(8)]
        )
        async with running(broker, store, prefix) as folder:
            await until(lambda: folder.folded["windows"] == 8, folder)
    with EmbeddedBroker() as broker:
        again = replace(window(7, bad=True), revision=0)
        Publisher(broker.bootstrap, prefix).windows([again, window(8)])
        async with running(broker, Store(redis, prefix, HISTORY_MS), prefix) as folder:
            await until(lambda: folder.folded["windows"] == 2, folder)
            (head,) = folder.catalogue.heads()
    assert len(head.trail) == 9, "what the old log said stays"
    assert head.trail[7].quality == again.quality.accuracy, "the new log wins"


async def test_what_cannot_be_read_is_passed_over_and_counted(mock_broker, store, prefix) -> None:
    publisher = Publisher(mock_broker.bootstrap, prefix)
    for bad in (b"no json", b"[]", b'{"model":"m"}', b'{"window":"soon"}', b"\xff"):
        publisher.raw(WINDOWS.name, bad)
    publisher.raw(ALERTS.name, b"{}")
    publisher.windows([window()])
    async with running(mock_broker, store, prefix) as folder:
        await until(lambda: folder.folded["windows"] == 1, folder)
        await until(lambda: folder.skipped.total() == 6, folder)
        assert folder.trouble is None


async def test_what_redis_lost_is_read_again(mock_broker, store, redis, prefix) -> None:
    publisher = Publisher(mock_broker.bootstrap, prefix)
    async with running(mock_broker, store, prefix) as folder:
        publisher.windows(stretch(4))
        await until(lambda: folder.folded["windows"] == 4, folder)
        await redis.delete(*[key async for key in redis.scan_iter(f"{prefix}*")])
        publisher.windows([window(4)])
        await until(lambda: folder.folded["windows"] == 9, folder)
        (head,) = folder.catalogue.heads()
        points = await store.points(head.series, ["rows"], START, head.start)
        assert points.starts == [window(i).start for i in range(5)]


@pytest.mark.parametrize(
    ("stored", "cluster", "end", "generation", "kept"),
    [
        (Positions("a", 3, {("w", 0): 7}), "a", 7, 3, True),
        (Positions("a", 3, {("w", 0): 7}), "a", 6, 4, False),
        (Positions("a", 3, {("w", 0): 7}), "b", 9, 4, False),
        (Positions("a", 3, {("w", 0): 7}), None, 9, 3, True),
        (Positions(), "a", 0, 0, True),
    ],
)
def test_in_which_log_we_stand(stored, cluster, end, generation, kept) -> None:
    now = stored.in_log(cluster, {("w", 0): end})
    assert now.generation == generation
    assert (now.next == stored.next) is kept
    assert Positions.decode(now.encode()) == now


def test_an_offset_that_goes_back_is_a_new_log() -> None:
    p = Positions("a").after(("w", 0), 5)
    assert p.after(("w", 0), 6).generation == 0
    assert p.after(("w", 0), 2).generation == 1
