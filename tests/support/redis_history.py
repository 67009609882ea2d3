"""Redis made to hold what it held before: a failover to a replica that lagged behind."""

import redis


def snapshot(client: redis.Redis, prefix: str) -> dict[bytes, tuple[bytes | None, int]]:
    """All keys of a test at one moment, as a replica holds them.

    What DUMP gives of each, and the milliseconds that it has left (0: for ever).
    """
    while True:
        keys = sorted(client.keys(f"{prefix}inferwatch:*"))
        with client.pipeline(transaction=True) as pipe:
            for key in keys:
                pipe.dump(key)
                pipe.pttl(key)
            pipe.keys(f"{prefix}inferwatch:*")
            *held, there = pipe.execute()
        if sorted(there) == keys:
            left = (max(0, ttl) for ttl in held[1::2])
            return dict(zip(keys, zip(held[::2], left, strict=True), strict=True))


def go_back(client: redis.Redis, prefix: str, held: dict[bytes, tuple[bytes | None, int]]) -> None:
    """Hold again what was held then, from one command to the next."""
    with client.pipeline(transaction=True) as pipe:
        pipe.delete(*client.keys(f"{prefix}inferwatch:*"))
        for key, (value, ttl) in held.items():
            if value is not None:
                pipe.restore(key, ttl, value)
        pipe.execute()
