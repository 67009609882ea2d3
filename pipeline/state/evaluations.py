"""A model's evaluation in Redis: which windows are still to be worked out, what was judged.

What was judged and the alerts that came of it (the outbox) are written together, so that a crash
neither loses an alert nor judges a window twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.state.keys import Keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

# KEYS: head, pending, outbox. ARGV: expected generation, new one, state, number of windows done,
# window ..., alert ...
_WRITE = """
local held = redis.call('HGET', KEYS[1], 'generation')
if held == ARGV[2] then return 1 end
if held ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'state', ARGV[3])
local done = tonumber(ARGV[4])
for n = 5, 4 + done do redis.call('HDEL', KEYS[2], ARGV[n]) end
for n = 5 + done, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[n]) end
return 1
"""


# KEYS: head, pending. ARGV: generation, window ...
_ADD = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
for n = 2, #ARGV do redis.call('HSET', KEYS[2], ARGV[n], '1') end
return 1
"""


class EvaluationStore:
    """Reads and writes what evaluators know of each model."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Work on this Redis, under these keys."""
        self._redis = redis
        self._keys = keys
        self._write = redis.register_script(_WRITE)
        self._add = redis.register_script(_ADD)

    async def claim(
        self, model: str, generation: str
    ) -> tuple[bytes | None, list[str], list[bytes]]:
        """Take a model over: (state, pending windows, outbox) as they are from now on.

        Whoever evaluated it before is refused from here on, so that it takes no mark away that
        the new evaluator has not seen.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(self._keys.model(model, "head"), "generation", generation)
            pipe.hget(self._keys.model(model, "head"), "state")
            pipe.hkeys(self._keys.model(model, "pending"))
            pipe.lrange(self._keys.model(model, "outbox"), 0, -1)
            _, state, pending, outbox = await pipe.execute()
        return state, [window.decode() for window in pending], outbox

    async def holds(self, model: str, generation: str) -> bool:
        """Whether nobody else has claimed the model or written since this generation."""
        held: Any = await self._redis.hget(self._keys.model(model, "head"), "generation")
        return held is not None and str(held, "utf-8") == generation

    async def generations(self, models: Sequence[str]) -> list[str | None]:
        """What Redis holds as the generation of each model's evaluation."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for model in models:
                pipe.hget(self._keys.model(model, "head"), "generation")
            held = await pipe.execute()
        return [None if one is None else str(one, "utf-8") for one in held]

    async def add_pending(self, model: str, generation: str, windows: Sequence[str]) -> bool:
        """Windows that are to be worked out; written before their marks are cleaned away.

        False where another evaluator has claimed the model.
        """
        keys = [self._keys.model(model, part) for part in ("head", "pending")]
        return bool(await self._add(keys=keys, args=[generation, *windows]))

    async def write(
        self,
        model: str,
        *,
        expected: str,
        generation: str,
        state: bytes,
        done: Sequence[str],
        alerts: Sequence[bytes],
    ) -> bool:
        """Write what was judged, and the alerts of it; False where another evaluator wrote."""
        keys = [self._keys.model(model, part) for part in ("head", "pending", "outbox")]
        args: list[Any] = [expected, generation, state, len(done), *done, *alerts]
        return bool(await self._write(keys=keys, args=args))

    async def sent(self, model: str, alert: bytes) -> None:
        """An alert of the outbox is published."""
        await self._redis.lrem(self._keys.model(model, "outbox"), 1, alert)  # type: ignore[arg-type]

    async def epoch(self, fresh: bytes) -> bytes:
        """The epoch: what Redis holds since it was last empty; `fresh` begins a new one."""
        key = f"{self._keys.root}epoch"
        await self._redis.set(key, fresh, nx=True)
        held: Any = await self._redis.get(key)
        return fresh if held is None else bytes(held)

    async def held_epoch(self) -> bytes | None:
        """The epoch that Redis holds, None after it lost everything."""
        held: Any = await self._redis.get(f"{self._keys.root}epoch")
        return None if held is None else bytes(held)

    async def call_lookup(self, epoch: str) -> None:
        """All of an epoch's beginning is counted: open labels are to be looked up once more."""
        await self._redis.set(f"{self._keys.root}lookup", epoch)

    async def lookup(self) -> str:
        """The epoch that `call_lookup` named last, empty before."""
        held: Any = await self._redis.get(f"{self._keys.root}lookup")
        return "" if held is None else str(held, "utf-8")

    async def say_closed(self, closed: Mapping[str, int]) -> None:
        """Model -> event time up to which its windows are closed for good."""
        if closed:
            await self._redis.hset(f"{self._keys.root}closed", mapping=dict(closed))  # type: ignore[arg-type]

    async def closed(self) -> dict[str, int]:
        """What `say_closed` said, of all models."""
        held: dict[Any, Any] = await self._redis.hgetall(f"{self._keys.root}closed")
        return {str(model, "utf-8"): int(until) for model, until in held.items()}
