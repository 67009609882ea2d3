"""Kept predictions in Redis: by id, until the label horizon has passed.

Ids are spread over shards by a hash, and within a shard over buckets of event time, so that what
is past the horizon goes away as a whole. Written and looked up many rows a command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from redis.asyncio import RedisCluster

from pipeline.columns import Ints
from pipeline.labels.kept import FoundPrediction, KeptRows
from pipeline.labels.packed_rows import (
    Bytes,
    of_shape,
    pack_rows,
    segment_names,
    shape_names,
    unpack_rows,
)
from pipeline.labels.shape import ID_BYTES, Shape, id_digests, name_of
from pipeline.state.kept_scripts import DROP, FIND, KEEP
from pipeline.state.keys import Keys, SourcePartition

if TYPE_CHECKING:
    from redis.asyncio import Redis

SHARDS = 16
BUCKETS_A_HORIZON = 2
FIND_AT_ONCE = 10_000
KEEP_AT_ONCE = 4_000
DROP_AT_ONCE = 1_000
STILL_WRITTEN = 8
"""Buckets behind the newest that are taken for ones that rows may come to at any moment."""

PLACE_BYTES = 6
TEXTS_KNOWN = 100_000

NET_MS = 24 * 3_600_000
"""Rows go by the labels' time; what no sweep takes away goes so long after it could be of use."""


class _Packed(NamedTuple):
    """Rows of one length, the numbers of the texts that each names (-1: none), their places."""

    rows: Bytes
    texts: Ints
    places: Ints

    @classmethod
    def join(cls, parts: Sequence[_Packed]) -> _Packed:
        """Several as one."""
        widest = max(part.texts.shape[1] for part in parts)
        texts = [
            np.pad(part.texts, ((0, 0), (0, widest - part.texts.shape[1])), constant_values=-1)
            for part in parts
        ]
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate(texts),
            np.concatenate([part.places for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """Rows of one length that were found in a shard, whose they are, and in which of its keys."""

    rows: Bytes
    owners: Ints
    buckets: Ints
    keys: list[str]

    @classmethod
    def read(cls, places: Sequence[tuple[str, Ints]], length: int, blob: bytes) -> _Answer:
        """What the script answered for these buckets and ids."""
        raw = np.frombuffer(blob, np.uint8).reshape(-1, PLACE_BYTES + length)
        place = np.ascontiguousarray(raw[:, :PLACE_BYTES]).view("<u2,<u4").ravel()
        bucket, number = place["f0"].astype(np.int64), place["f1"].astype(np.int64)
        starts = np.cumsum([0, *(len(mine) for _, mine in places)])
        owners = np.concatenate([mine for _, mine in places])[starts[bucket] + number]
        return cls(raw[:, PLACE_BYTES:], owners, bucket, [key for key, _ in places])


class KeptStore:
    """Keeps predictions for labels to find.

    Cost: at most 64 bytes of Redis a row of 3 scores or a number, and about 2 µs of its time to
    keep or to look up (`python -m benchmarks.label_join`).

    Attributes:
        width: milliseconds of event time of one bucket, which goes as a whole.
    """

    def __init__(self, redis: Redis, keys: Keys, horizon_ms: int) -> None:
        """Keep for the longest label horizon of all models."""
        self._redis = redis
        self._keys = keys
        self._horizon = horizon_ms
        self.width = max(1, -(-horizon_ms // BUCKETS_A_HORIZON))
        self._keep = redis.register_script(KEEP)
        self._find = redis.register_script(FIND)
        self._drop = redis.register_script(DROP)
        self._buckets = f"{keys.root}kept-buckets"
        self._is_cluster = isinstance(redis, RedisCluster)
        self._texts_known: dict[bytes, bytes] = {}

    # -- keeping -------------------------------------------------------------------------------

    async def keep(self, source: SourcePartition, batches: Iterable[KeptRows]) -> str:
        """Write rows; writing one again changes nothing.

        Returns:
            Which history of Redis holds them, for the step that builds on them: a failover
            between the two could lose the rows alone. Empty on a cluster, where shards and
            partitions have histories of their own.
        """
        packed: dict[int, list[_Packed]] = {}
        texts: dict[bytes, int] = {}
        for kept in batches:
            if kept.ids:
                alike = self._pack(source, kept, texts)
                packed.setdefault(alike.rows.shape[1], []).append(alike)
        if not packed:
            return ""
        stored = list(texts)
        names = [name_of(text) for text in stored]
        history: Any = b""
        ttl = self._horizon * 2 + self.width + NET_MS
        for length, parts in packed.items():
            rows, texts_of, places = _Packed.join(parts)
            by_place = groups(places)
            for place, mine in by_place:
                bucket, shard = divmod(place, SHARDS)
                told = [n for n in np.unique(texts_of[mine]).tolist() if n >= 0]
                about = [word for n in told for word in (names[n], stored[n])]
                for first in range(0, len(mine), KEEP_AT_ONCE):
                    blob = rows[mine[first : first + KEEP_AT_ONCE]].tobytes()
                    history = await self._keep(
                        keys=[self._keys.kept(shard, bucket)],
                        args=[ttl, len(told), *about, length - ID_BYTES, blob],
                    )
            # Not before the rows: who takes an empty bucket out meanwhile would take theirs.
            await self._redis.sadd(self._buckets, *{place // SHARDS for place, _ in by_place})
        return "" if self._is_cluster else str(history, "utf-8")

    def _pack(self, source: SourcePartition, kept: KeptRows, texts: dict[bytes, int]) -> _Packed:
        """Rows as stored, each behind the digest of its id; `texts` takes what they name."""
        about = kept.shape.pack(str(source))
        digests = np.frombuffer(id_digests(kept.ids), np.uint8).reshape(-1, ID_BYTES)
        named = np.full(
            (len(kept.ids), 1 + kept.shape.segments), texts.setdefault(about, len(texts))
        )
        if kept.shape.segments:
            here = [texts.setdefault(text.encode(), len(texts)) for text in kept.segment_texts]
            named[:, 1:] = np.array(here)[kept.segments]
        return _Packed(
            np.concatenate([digests, pack_rows(kept, name_of(about))], axis=1),
            named,
            kept.ts // self.width * SHARDS + _shards(digests),
        )

    # -- finding -------------------------------------------------------------------------------

    async def find(self, wanted: Sequence[tuple[str, int]]) -> Mapping[str, list[FoundPrediction]]:
        """The rows kept under each id, for labels of these (id, label time)."""
        found: dict[str, list[FoundPrediction]] = {}
        for first in range(0, len(wanted), FIND_AT_ONCE):
            await self._find_some(wanted[first : first + FIND_AT_ONCE], found)
        return found

    async def _find_some(
        self, wanted: Sequence[tuple[str, int]], found: dict[str, list[FoundPrediction]]
    ) -> None:
        held: Any = await self._redis.smembers(self._buckets)
        numbers: dict[str, int] = {}
        which = np.array([numbers.setdefault(one, len(numbers)) for one, _ in wanted], np.int64)
        ids = list(numbers)
        digests = np.frombuffer(id_digests(ids), np.uint8).reshape(-1, ID_BYTES)
        shards = _shards(digests)
        times = np.array([ts for _, ts in wanted], np.int64) // self.width
        by_shard: dict[int, list[tuple[str, Ints]]] = {}
        for bucket in sorted(map(int, held)):
            # A row may be a horizon older or younger than its label.
            near = np.unique(which[np.abs(times - bucket) <= BUCKETS_A_HORIZON])
            for shard, mine in groups(shards[near]):
                place = (self._keys.kept(shard, bucket), near[mine])
                by_shard.setdefault(shard, []).append(place)
        answers: dict[int, list[_Answer]] = {}
        for places in by_shard.values():
            answer: Any = await self._find(
                keys=[key for key, _ in places],
                args=[digests[mine].tobytes() for _, mine in places],
            )
            for length, blob in zip(answer[::2], answer[1::2], strict=True):
                answers.setdefault(length, []).append(_Answer.read(places, length, blob))
        for alike in answers.values():
            await self._take(alike, ids, found)

    async def _take(
        self,
        answers: Sequence[_Answer],
        ids: Sequence[str],
        found: dict[str, list[FoundPrediction]],
    ) -> None:
        """Read found rows of one length."""
        rows = np.concatenate([answer.rows for answer in answers])
        owners = np.concatenate([answer.owners for answer in answers])
        keys = [key for answer in answers for key in answer.keys]
        firsts = np.cumsum([0, *(len(answer.keys) for answer in answers)])
        key_of = np.concatenate(
            [answer.buckets + first for answer, first in zip(answers, firsts, strict=False)]
        )
        for name in shape_names(rows):
            mine = of_shape(rows, name)
            source, shape = Shape.unpack((await self._texts({name: keys[key_of[mine[0]]]}))[name])
            named, at, segments = segment_names(rows[mine], shape)
            tellers = dict(zip(named, (keys[key_of[mine[n]]] for n in at.tolist()), strict=True))
            stored = await self._texts(tellers)
            texts = [stored[one].decode() for one in named]
            here = [ids[n] for n in owners[mine].tolist()]
            unpacked = unpack_rows(rows[mine], shape, here, texts, segments)
            for identity, row in unpacked.found(source):
                found.setdefault(identity, []).append(row)

    async def _texts(self, names: Mapping[bytes, str]) -> Mapping[bytes, bytes]:
        """What names in rows stand for, by the key that tells; a name never changes its meaning."""
        if len(self._texts_known) > TEXTS_KNOWN:
            self._texts_known.clear()
        unknown = {name: key for name, key in names.items() if name not in self._texts_known}
        for key in sorted(set(unknown.values())):
            mine = [name for name, its in unknown.items() if its == key]
            stored: Any = await self._redis.hmget(key, mine)
            told = zip(mine, stored, strict=True)
            self._texts_known.update((name, text) for name, text in told if text is not None)
        return self._texts_known

    # -- measuring -----------------------------------------------------------------------------

    async def taken(self) -> dict[str, dict[int, int]]:
        """Bytes of Redis that the rows of each model take, by the time at which buckets begin.

        Guarantee: within a tenth of what `MEMORY USAGE` says of the same keys.
        """
        held: Any = await self._redis.smembers(self._buckets)
        places = [(bucket, shard) for bucket in sorted(map(int, held)) for shard in range(SHARDS)]
        pipe = self._redis.pipeline(transaction=False)
        for bucket, shard in places:
            pipe.hgetall(f"{self._keys.kept(shard, bucket)}:#")
        tallies = dict(zip(places, await pipe.execute(), strict=True))
        tellers = {
            name: self._keys.kept(shard, bucket)
            for (bucket, shard), tally in tallies.items()
            for name in tally
        }
        texts = await self._texts(tellers)
        taken: dict[str, dict[int, int]] = {}
        for (bucket, _), tally in tallies.items():
            for name, size in tally.items():
                if name not in texts:  # dropped since
                    continue
                _, shape = Shape.unpack(texts[name])
                mine, start = taken.setdefault(shape.model, {}), bucket * self.width
                mine[start] = mine.get(start, 0) + int(size)
        return taken

    # -- dropping ------------------------------------------------------------------------------

    async def drop_before(self, ts: int) -> int:
        """Let the rows of earlier times go, a bucket at a time; how many buckets went."""
        held: Any = await self._redis.smembers(self._buckets)
        old = [bucket for bucket in map(int, held) if (bucket + 1) * self.width <= ts]
        for bucket in old:
            for shard in range(SHARDS):
                key = self._keys.kept(shard, bucket)
                while not await self._drop(keys=[key], args=[DROP_AT_ONCE]):
                    pass
            await self._redis.srem(self._buckets, bucket)
        return len(old)

    async def forget_expired(self) -> int:
        """Take buckets that expired by themselves off the list; how many they were.

        Every measurement and every look-up reads all that are listed.
        """
        held: Any = await self._redis.smembers(self._buckets)
        old = sorted(map(int, held))[:-STILL_WRITTEN]
        gone = set(old) - await self._with_rows(old)
        if not gone:
            return 0
        await self._redis.srem(self._buckets, *gone)
        # Somebody may have kept rows there just before.
        if back := await self._with_rows(gone):
            await self._redis.sadd(self._buckets, *back)
        return len(gone - back)

    async def _with_rows(self, buckets: Iterable[int]) -> set[int]:
        """Which of these hold rows."""
        places = [(bucket, shard) for bucket in buckets for shard in range(SHARDS)]
        pipe = self._redis.pipeline(transaction=False)
        for bucket, shard in places:
            pipe.hlen(self._keys.kept(shard, bucket))
        sizes = await pipe.execute()
        return {bucket for (bucket, _), size in zip(places, sizes, strict=True) if size}


def groups(values: Ints) -> list[tuple[int, Ints]]:
    """The distinct values and the places of each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    parts = np.split(order, starts[1:]) if len(values) else []
    return [(int(values[part[0]]), part) for part in parts]


def _shards(digests: Bytes) -> Ints:
    return digests[:, -1].astype(np.int64) % SHARDS
