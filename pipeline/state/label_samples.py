"""The samples that are in force in Redis: one hash for all models, changed by compare-and-set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.labels.falling_sample import SampleInForce
from pipeline.state.keys import Keys
from pipeline.state.packing import pack_small, unpack

if TYPE_CHECKING:
    from redis.asyncio import Redis

# KEYS: samples. ARGV: model, what was read (empty: nothing), what is in force from now on.
_CHANGE = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


class LabelSampleStore:
    """Reads and changes how much of each model is kept for its labels."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Work on this Redis, under these keys."""
        self._redis = redis
        self._key = keys.label_samples
        self._change = redis.register_script(_CHANGE)

    async def read(self) -> dict[str, SampleInForce]:
        """What is in force, by model."""
        held: Any = await self._redis.hgetall(self._key)
        what = "a sample of labels"
        return {model.decode(): SampleInForce(*unpack(data, what)) for model, data in held.items()}

    async def change(self, model: str, before: SampleInForce | None, after: SampleInForce) -> bool:
        """Set what is in force; False where somebody else has changed it since it was read."""
        was = b"" if before is None else pack_small(before.snapshot())
        args: list[str | bytes] = [model, was, pack_small(after.snapshot())]
        return bool(await self._change(keys=[self._key], args=args))

    async def forget(self, models: Sequence[str]) -> None:
        """Of these models nothing is kept any more: the next row begins anew."""
        if models:
            await self._redis.hdel(self._key, *models)
