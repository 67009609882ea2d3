from dataclasses import replace

import pytest
from fed_dashboard import HISTORY_MS, Fed
from results import MINUTE, START, alert, stretch, window

from consumers.dashboard.catalogue import Catalogue
from consumers.dashboard.positions import Positions
from consumers.dashboard.series import SeriesId
from consumers.dashboard.store import CHUNK, MAX_CHUNKS, Store, StoreEmptiedError
from inferwatch.errors import StateFormatError

SERIES = SeriesId("flight-delay", "7", None, "1m")


async def read(store: Store, *names: str, first: int = 0, last: int = START + 10_000 * MINUTE):
    return await store.points(SERIES, names, first, last)


async def test_what_is_written_is_read_exactly_over_chunks(store) -> None:
    catalogue = Catalogue()
    results = list(stretch(CHUNK + 10))
    folded = [catalogue.fold(r, 0, START) for r in results]
    await store.write(folded, [], Positions())
    points = await read(store, "quality.accuracy", "features.dep_delay.psi", "nope")
    assert points.starts == [r.start for r in results]
    assert points.columns[0] == [r.quality.accuracy for r in results]
    assert points.columns[1] == [r.features["dep_delay"].psi for r in results]
    assert all(v != v for v in points.columns[2]), "a name that no row has is NaN"
    some = await read(store, "rows", first=results[3].start, last=results[5].start)
    assert some.starts == [r.start for r in results[3:6]]


async def test_a_slower_dashboard_cannot_put_an_old_revision_back(store, redis, prefix) -> None:
    new, old = replace(window(bad=True), revision=4), replace(window(), revision=3)
    await store.write([Catalogue().fold(new, 0, START)], [], Positions())
    other = Store(redis, prefix, HISTORY_MS)
    await other.write([Catalogue().fold(old, 0, START)], [], Positions())
    assert (await read(store, "rows", "quality.accuracy")).columns[1] == [new.quality.accuracy]
    again = replace(window(), revision=0)
    await other.write([Catalogue().fold(again, 1, START)], [], Positions())
    assert (await read(store, "rows", "quality.accuracy")).columns[1] == [again.quality.accuracy]


async def test_features_that_appear_later_do_not_shift_the_columns(store) -> None:
    catalogue = Catalogue()
    few, many = window(0, features=2), window(1, features=9)
    none = replace(window(2), features=None)
    for result in (few, many, none):
        await store.write([catalogue.fold(result, 0, START)], [], Positions())
    points = await read(store, "features.f08.psi", "features.dep_delay.psi", "rows")
    assert points.columns[1][:2] == [r.features["dep_delay"].psi for r in (few, many)]
    assert points.columns[0][1] == many.features["f08"].psi
    assert points.columns[2] == [few.rows, many.rows, none.rows]


async def test_a_restart_goes_on_from_redis(store, redis, prefix) -> None:
    first = await Fed(store).load()
    await first.take(*stretch(5), alert())
    second = await Fed(Store(redis, prefix, HISTORY_MS)).load()
    assert second.folder.catalogue.heads() == first.folder.catalogue.heads()
    assert second.folder.incidents.all() == first.folder.incidents.all()
    assert second.folder._positions == first.folder._positions
    await second.take(*stretch(6), alert())
    assert second.folder.folded == {"windows": 1, "alerts": 0}, "five and the alert were known"
    assert len((await read(store, "rows")).starts) == 6


async def test_redis_that_was_emptied_is_noticed(fed, redis, prefix) -> None:
    await fed.take(window(0))
    await redis.delete(*[key async for key in redis.scan_iter(f"{prefix}*")])
    with pytest.raises(StoreEmptiedError):
        await fed.take(window(1))
    await fed.load()
    assert fed.folder._positions == Positions(), "everything is read again"


async def test_a_newer_format_is_refused(fed, redis, prefix) -> None:
    await redis.set(f"{prefix}inferwatch:dashboard:position", b"\x02{}")
    with pytest.raises(StateFormatError, match="format 2"):
        await fed.load()


async def test_series_are_bounded_by_count_and_by_time(store, redis, prefix) -> None:
    catalogue = Catalogue()
    for i in (0, (MAX_CHUNKS + 1) * CHUNK):
        await store.write([catalogue.fold(window(i), 0, START)], [], Positions())
    keys = [key async for key in redis.scan_iter(f"{prefix}inferwatch:dashboard:points:*")]
    assert len(keys) == 1, "the oldest chunk made room"
    assert 0 < await redis.ttl(keys[0]) <= HISTORY_MS // 1000


async def test_forgotten_series_and_incidents_leave_redis(fed, redis, prefix) -> None:
    await fed.take(window(), alert())
    await fed.store.forget([SERIES], [alert().incident])
    for name in ("heads", "latest", "incidents"):
        assert await redis.hlen(f"{prefix}inferwatch:dashboard:{name}") == 0
    assert await fed.store.latest([SERIES]) == []
