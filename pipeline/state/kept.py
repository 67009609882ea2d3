"""Kept predictions in Redis: by id, until the label horizon has passed.

Ids are spread over shards by a hash, and within a shard over buckets of event time, so that what
is past the horizon goes away as a whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from redis.asyncio import RedisCluster

from pipeline.labels.kept import FoundPrediction, KeptPrediction, unpack_all
from pipeline.state.history import TELL_HISTORY
from pipeline.state.keys import Keys, SourcePartition

if TYPE_CHECKING:
    from redis.asyncio import Redis

SHARDS = 64
BUCKETS_A_HORIZON = 2
FIND_AT_ONCE = 10_000

NET_MS = 24 * 3_600_000
"""Rows go by the labels' time; what no sweep takes away goes so long after it could be of use."""

# Several rows may carry one id: each is kept once, told apart by its identity, in any order.
_KEEP = (
    """
for n = 2, #ARGV, 3 do
  local id, identity, row = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  local held = redis.call('HGET', KEYS[1], id)
  local rows = held and cmsgpack.unpack(held) or {}
  local known = false
  for _, one in ipairs(rows) do
    if cmsgpack.unpack(one)[1] == identity then known = true end
  end
  if not known then
    rows[#rows + 1] = row
    redis.call('HSET', KEYS[1], id, cmsgpack.pack(rows))
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
    + TELL_HISTORY
)


class KeptStore:
    """Keeps predictions for labels to find."""

    def __init__(self, redis: Redis, keys: Keys, horizon_ms: int) -> None:
        """Keep for the longest label horizon of all models."""
        self._redis = redis
        self._keys = keys
        self._horizon = horizon_ms
        self._width = max(1, -(-horizon_ms // BUCKETS_A_HORIZON))
        self._keep = redis.register_script(_KEEP)
        self._buckets = f"{keys.root}kept-buckets"
        self._is_cluster = isinstance(redis, RedisCluster)

    async def keep(self, source: SourcePartition, rows: Iterable[KeptPrediction]) -> str:
        """Write rows; writing one again changes nothing.

        Returns:
            Which history of Redis holds them, for the step that builds on them: a failover
            between the two could lose the rows alone. Empty on a cluster, where shards and
            partitions have histories of their own.
        """
        rows = list(rows)
        if not rows:
            return ""
        history: Any = b""
        buckets = {row.ts // self._width for row in rows}
        await self._redis.sadd(self._buckets, *buckets)
        by_key: dict[str, list[str | bytes]] = {}
        for row in rows:
            key = self._keys.kept(_shard(row.id), row.ts // self._width)
            identity = f"{source}:{row.offset}:{row.row}"
            by_key.setdefault(key, []).extend((row.id, identity, row.pack(str(source))))
        for key, args in by_key.items():
            ttl = self._horizon * 2 + self._width + NET_MS
            for first in range(0, len(args), 3_000):
                history = await self._keep(keys=[key], args=[ttl, *args[first : first + 3_000]])
        return "" if self._is_cluster else str(history, "utf-8")

    async def drop_before(self, ts: int) -> int:
        """Let the rows of earlier times go, a bucket at a time; how many buckets went."""
        held: Any = await self._redis.smembers(self._buckets)
        old = [bucket for bucket in map(int, held) if (bucket + 1) * self._width <= ts]
        for bucket in old:
            pipe = self._redis.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipe.unlink(self._keys.kept(shard, bucket))
            await pipe.execute()
            await self._redis.srem(self._buckets, bucket)
        return len(old)

    async def find(self, wanted: Sequence[tuple[str, int]]) -> Mapping[str, list[FoundPrediction]]:
        """The rows kept under each id, for labels of these (id, label time)."""
        found: dict[str, list[FoundPrediction]] = {}
        for first in range(0, len(wanted), FIND_AT_ONCE):
            by_key = self._places(wanted[first : first + FIND_AT_ONCE])
            pipe = self._redis.pipeline(transaction=False)
            for key, ids in by_key.items():
                pipe.hmget(key, list(ids))
            for ids, answers in zip(by_key.values(), await pipe.execute(), strict=True):
                for identity, stored in zip(ids, answers, strict=True):
                    if stored:
                        found.setdefault(identity, []).extend(unpack_all(stored))
        return found

    def _places(self, wanted: Iterable[tuple[str, int]]) -> dict[str, dict[str, None]]:
        """Where to look: the ids by key; a row may be a horizon older or younger than its label."""
        by_key: dict[str, dict[str, None]] = {}
        for identity, ts in wanted:
            shard, here = _shard(identity), ts // self._width
            for bucket in range(here - BUCKETS_A_HORIZON, here + BUCKETS_A_HORIZON + 1):
                by_key.setdefault(self._keys.kept(shard, bucket), {})[identity] = None
        return by_key


def _shard(identity: str) -> int:
    return zlib.crc32(identity.encode()) % SHARDS
