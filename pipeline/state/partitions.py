"""A source partition's state in Redis: one compare-and-set writes all of a step, or nothing.

The generation is a random token, never a count: a count comes again after a failover, and a
zombie would then write onto another history.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgpack

from pipeline.state.history import refuse_other_history
from pipeline.state.keys import Keys, SourcePartition

if TYPE_CHECKING:
    from redis.asyncio import Redis

# KEYS: head, panes, labels, samples, dirty (all of one slot).
# ARGV: expected generation, new generation, offset, head, history that holds the kept predictions,
#       then as MessagePack, which costs a client far less than many arguments: for each of panes,
#       labels, samples, dirty the fields set (field, value ...), for all but dirty those deleted.
_WRITE = f"""
local held = redis.call('HGET', KEYS[1], 'generation')
if held == ARGV[2] then return 1 end
if held ~= ARGV[1] then return 0 end
{refuse_other_history(5)}
local words_of = {{}}
for n = 6, 12 do words_of[n] = cmsgpack.unpack(ARGV[n]) end
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'offset', ARGV[3], 'head', ARGV[4])
local SOME = 1000
local function call(command, key, words)
  for n = 1, #words, SOME do
    redis.call(command, key, unpack(words, n, math.min(n + SOME - 1, #words)))
  end
end
for k = 2, 5 do call('HSET', KEYS[k], words_of[k + 4]) end
for k = 2, 4 do call('HDEL', KEYS[k], words_of[k + 8]) end
return 1
"""

# Only the first owner of an empty partition writes the empty state.
_BEGIN = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'offset', ARGV[2], 'head', ARGV[3])
return 1
"""

# A mark is taken away only if no fold has touched its pane since it was read.
_CLEAN = """
local gone = 0
for n = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[n]) == ARGV[n + 1] then
    gone = gone + redis.call('HDEL', KEYS[1], ARGV[n])
  end
end
return gone
"""


def new_generation() -> str:
    """A token that no other write has."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """What Redis holds of a partition: of panes the keys; head, labels and samples are packed."""

    generation: str
    offset: int
    head: bytes
    panes: frozenset[str]
    labels: Mapping[str, bytes]
    samples: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write: it builds on generation `expected` and leaves `generation`.

    Attributes:
        kept_in: the history of Redis that holds the predictions kept for this step, if any.
    """

    expected: str
    generation: str
    offset: int
    head: bytes
    kept_in: str = ""
    panes: Mapping[str, bytes] = field(default_factory=dict)
    labels: Mapping[str, bytes] = field(default_factory=dict)
    samples: Mapping[str, bytes] = field(default_factory=dict)
    dirty: Mapping[str, str] = field(default_factory=dict)
    panes_gone: Sequence[str] = ()
    labels_gone: Sequence[str] = ()
    samples_gone: Sequence[str] = ()


class PartitionStore:
    """Reads and writes the state of source partitions."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Work on this Redis, under these keys."""
        self._redis = redis
        self._keys = keys
        self._write = redis.register_script(_WRITE)
        self._begin = redis.register_script(_BEGIN)
        self._clean = redis.register_script(_CLEAN)

    async def load(self, source: SourcePartition) -> StoredPartition | None:
        """What is stored, or None where there is nothing; read in one transaction."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(self._keys.partition(source, "head"))
            pipe.hkeys(self._keys.partition(source, "panes"))
            pipe.hgetall(self._keys.partition(source, "labels"))
            pipe.hgetall(self._keys.partition(source, "samples"))
            head, panes, labels, samples = await pipe.execute()
        if not head:
            return None
        return StoredPartition(
            generation=head[b"generation"].decode(),
            offset=int(head[b"offset"]),
            head=head[b"head"],
            panes=frozenset(key.decode() for key in panes),
            labels={key.decode(): value for key, value in labels.items()},
            samples={key.decode(): value for key, value in samples.items()},
        )

    async def begin(
        self, source: SourcePartition, generation: str, offset: int, head: bytes
    ) -> bool:
        """Write the empty state, so that a flush before the first write is seen."""
        key = self._keys.partition(source, "head")
        return bool(await self._begin(keys=[key], args=[generation, offset, head]))

    async def generation(self, source: SourcePartition) -> str | None:
        """The generation that Redis holds, None where it holds nothing."""
        held: Any = await self._redis.hget(self._keys.partition(source, "head"), "generation")
        return None if held is None else str(held, "utf-8")

    async def write(self, source: SourcePartition, step: Step) -> bool:
        """Write a step; False where Redis holds neither what it builds on nor the step itself."""
        args: list[Any] = [step.expected, step.generation, step.offset, step.head, step.kept_in]
        for fields in (step.panes, step.labels, step.samples, step.dirty):
            args.append(_packed(chain.from_iterable(fields.items())))
        for gone in (step.panes_gone, step.labels_gone, step.samples_gone):
            args.append(_packed(gone))
        parts = ("head", "panes", "labels", "samples", "dirty")
        keys = [self._keys.partition(source, part) for part in parts]
        return bool(await self._write(keys=keys, args=args))

    async def beat(self, source: SourcePartition, live: bytes, ttl_ms: int) -> None:
        """Say that a live worker owns the partition, and how far it is."""
        await self._redis.set(self._keys.partition(source, "live"), live, px=ttl_ms)

    async def marks(self, sources: Sequence[SourcePartition]) -> list[dict[str, str]]:
        """The dirty marks of each partition: pane key -> token."""
        pipe = self._redis.pipeline(transaction=False)
        for source in sources:
            pipe.hgetall(self._keys.partition(source, "dirty"))
        return [
            {key.decode(): token.decode() for key, token in marks.items()}
            for marks in await pipe.execute()
        ]

    async def mark(self, source: SourcePartition, panes: Iterable[str]) -> None:
        """Mark panes dirty outside of a step: their windows are to be looked at again."""
        marks: dict[Any, Any] = dict.fromkeys(panes, new_generation())
        if marks:
            await self._redis.hset(self._keys.partition(source, "dirty"), mapping=marks)

    async def clean(self, source: SourcePartition, marks: Mapping[str, str]) -> None:
        """Take marks away, those excepted that a fold has renewed."""
        args = [part for mark in marks.items() for part in mark]
        if args:
            await self._clean(keys=[self._keys.partition(source, "dirty")], args=args)

    async def progress(
        self, sources: Sequence[SourcePartition]
    ) -> list[tuple[int | None, bytes | None, bytes | None]]:
        """(stored offset, head, live) of each partition."""
        pipe = self._redis.pipeline(transaction=False)
        for source in sources:
            pipe.hmget(self._keys.partition(source, "head"), "offset", "head")
            pipe.get(self._keys.partition(source, "live"))
        answers = await pipe.execute()
        return [
            (None if offset is None else int(offset), head, live)
            for (offset, head), live in zip(answers[::2], answers[1::2], strict=True)
        ]

    async def panes(
        self, sources: Sequence[SourcePartition], fields: Sequence[str]
    ) -> list[tuple[int | None, list[bytes | None]]]:
        """Partition by partition: the stored offset, and the packed panes of these keys.

        The offset is read before and after, and the lower one is given: where it is not below
        an offset that was seen before, the panes include at least what was counted up to there.
        """
        pipe = self._redis.pipeline(transaction=False)
        for source in sources:
            pipe.hget(self._keys.partition(source, "head"), "offset")
            pipe.hmget(self._keys.partition(source, "panes"), fields)
            pipe.hget(self._keys.partition(source, "head"), "offset")
        answers = await pipe.execute()
        return [
            (None if before is None or after is None else min(int(before), int(after)), panes)
            for before, panes, after in zip(*(answers[n::3] for n in range(3)), strict=True)
        ]

    async def samples(
        self, sources: Sequence[SourcePartition], fields: Sequence[str]
    ) -> list[dict[str, bytes]]:
        """Partition by partition: these fields of the rows that references are learned from."""
        pipe = self._redis.pipeline(transaction=False)
        for source in sources:
            # One command: the parts of one step.
            pipe.hmget(self._keys.partition(source, "samples"), fields)
        return [
            {field: data for field, data in zip(fields, found, strict=True) if data is not None}
            for found in await pipe.execute()
        ]


def _packed(words: Iterable[str | bytes]) -> bytes:
    """Words as Redis' own MessagePack reads them: it knows no type for bytes."""
    return bytes(msgpack.packb(list(words), use_bin_type=False))
