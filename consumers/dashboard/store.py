"""The folded series in Redis, and where in the log they stand.

Keys, all under `<prefix>inferwatch:dashboard:`

    points:<digest>:<chunk>   hash: window start -> row, `s<checksum>` -> schema; 256 windows a key
    heads, latest             hashes: series -> head, series -> newest whole result (zlib JSON)
    incidents                 hash: incident id -> incident
    position                  offsets of both topics, cluster, generation

Order of a write: 1. rows, heads, incidents; 2. the position that includes them. A crash between the
two reads the same records again, and folding a record twice changes nothing. A row replaces another
only when its stamp is larger (compared in Redis), so that two dashboards may share the keys.
Chunks expire `history` after their last write, and of a series at most `MAX_CHUNKS` are kept.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from consumers.dashboard.catalogue import FoldedWindow
from consumers.dashboard.format import FORMAT, check_format
from consumers.dashboard.head import Head
from consumers.dashboard.incidents import Incident
from consumers.dashboard.positions import Positions
from consumers.dashboard.row import Schema, decode_row
from consumers.dashboard.series import SeriesId
from inferwatch.errors import InferwatchError
from inferwatch.events.json_codec import window_to_json

CHUNK = 256
MAX_CHUNKS = 48
"""12,288 windows a series: 8 days of minutes."""

# ARGV: start, row, schema field, schema, time to live in seconds. Bytes 2-7 of a row are its
# generation and revision, big-endian, so that comparing them as text compares the numbers.
_PUT_ROW = """
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local og, orev = struct.unpack('>HI4', string.sub(old, 2, 7))
  local ng, nrev = struct.unpack('>HI4', string.sub(ARGV[2], 2, 7))
  if og > ng or (og == ng and orev > nrev) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class StoreEmptiedError(InferwatchError):
    """Redis holds nothing of what was written to it."""


@dataclass(frozen=True, slots=True)
class Points:
    """Windows of one series in order of start: `columns[i]` belongs to the i-th wanted name."""

    starts: list[int]
    columns: list[list[float]]


class Store:
    """Reads and writes the dashboard's keys; every method is a few round trips."""

    def __init__(self, redis: Redis, prefix: str, history_ms: int) -> None:
        """Use `redis` under `topics.prefix`; chunks live `history_ms` after their last write."""
        self._redis = redis
        self._base = f"{prefix}inferwatch:dashboard:"
        self._ttl_s = max(60, history_ms // 1000)
        self._has_position = False

    async def positions(self) -> Positions:
        """Where the last write stood."""
        data = cast(bytes | None, await self._redis.get(self._base + "position"))
        self._has_position = data is not None
        return Positions() if data is None else Positions.decode(data)

    async def heads(self) -> list[Head]:
        """All heads."""
        stored = await self._hash("heads")
        return [Head.decode(data) for data in stored.values()]

    async def incidents(self) -> list[Incident]:
        """All incidents."""
        stored = await self._hash("incidents")
        return [Incident.decode(data) for data in stored.values()]

    async def write(
        self,
        windows: Sequence[FoldedWindow],
        incidents: Sequence[Incident],
        positions: Positions,
    ) -> None:
        """Keep what was folded, then the position that includes it.

        Raises:
            StoreEmptiedError: the position is gone, so the rows are too; load and read again.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            for window in windows:
                self._put_row(pipe, window)
            # Of a series that has many windows in this turn only the last head counts.
            for window in {w.head.series: w for w in windows}.values():
                pipe.hset(self._base + "heads", window.head.series.text, window.head.encode())
            newest = {w.head.series: w for w in windows if w.result.start == w.head.start}
            for window in newest.values():
                self._put_newest(pipe, window)
            for incident in incidents:
                pipe.hset(self._base + "incidents", incident.alert.incident, incident.encode())
            if windows or incidents:
                await pipe.execute()
        key = self._base + "position"
        before = await self._redis.set(key, positions.encode(), get=True)
        if before is None and self._has_position:
            # The heads just written know windows whose rows are gone, which must be folded again.
            for name in ("position", "heads", "latest", "incidents"):
                await self._redis.delete(self._base + name)
            raise StoreEmptiedError("Redis was emptied under the dashboard; reading all again")
        self._has_position = True

    async def forget(self, series: Iterable[SeriesId], incidents: Iterable[str]) -> None:
        """Drop heads and incidents; rows expire by themselves."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in series:
                pipe.hdel(self._base + "heads", one.text)
                pipe.hdel(self._base + "latest", one.text)
            for incident in incidents:
                pipe.hdel(self._base + "incidents", incident)
            await pipe.execute()

    async def latest(self, series: Sequence[SeriesId]) -> list[bytes]:
        """The newest whole result of each, as JSON; those that are gone are left out."""
        if not series:
            return []
        texts = [s.text for s in series]
        found = cast(list[bytes | None], await self._redis.hmget(self._base + "latest", texts))
        return [
            zlib.decompress(check_format(data, "a window result"))
            for data in found
            if data is not None
        ]

    async def points(self, series: SeriesId, names: Sequence[str], first: int, last: int) -> Points:
        """The windows that start from `first` to `last`, NaN where one lacks a name."""
        width = series.slide_ms * CHUNK
        newest = last // width
        oldest = max(first // width, newest - MAX_CHUNKS)
        found: list[tuple[int, list[float]]] = []
        for chunk in range(oldest, newest + 1):
            stored = await self._hash(f"points:{series.digest}:{chunk}")
            found += (row for row in _rows(stored, names) if first <= row[0] <= last)
        found.sort(key=lambda row: row[0])
        columns = [[values[i] for _, values in found] for i in range(len(names))]
        return Points([start for start, _ in found], columns)

    def _put_row(self, pipe: Any, window: FoldedWindow) -> None:
        head, start = window.head, window.result.start
        key = self._chunk_key(head.series, start // (head.series.slide_ms * CHUNK))
        schema = f"s{head.schema.checksum}"
        pipe.eval(_PUT_ROW, 1, key, start, window.row, schema, head.schema.encode(), self._ttl_s)

    def _put_newest(self, pipe: Any, window: FoldedWindow) -> None:
        series, result = window.head.series, window.result
        whole = bytes([FORMAT]) + zlib.compress(window_to_json(result), 1)
        pipe.hset(self._base + "latest", series.text, whole)
        chunk = result.start // (series.slide_ms * CHUNK)
        pipe.delete(self._chunk_key(series, chunk - MAX_CHUNKS - 1))

    def _chunk_key(self, series: SeriesId, chunk: int) -> str:
        return f"{self._base}points:{series.digest}:{chunk}"

    async def _hash(self, name: str) -> dict[bytes, bytes]:
        return cast(dict[bytes, bytes], await self._redis.hgetall(self._base + name))


def _rows(stored: dict[bytes, bytes], names: Sequence[str]) -> Iterable[tuple[int, list[float]]]:
    places: dict[int, list[int]] = {}
    for field, data in stored.items():
        if field.startswith(b"s"):
            columns = {name: i for i, name in enumerate(Schema.decode(data).names)}
            # -1 is a name that this schema lacks: the NaN that is put behind the columns.
            places[int(field[1:])] = [columns.get(name, -1) for name in names]
    for field, data in stored.items():
        if not field.startswith(b"s"):
            _, schema, row = decode_row(data)
            row.append(math.nan)
            yield int(field), [row[i] for i in places[schema]]
