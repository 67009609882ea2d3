"""Redis made to hold what it held before: a failover to a replica that lagged behind."""

import redis


def snapshot(client: redis.Redis, prefix: str) -> dict[bytes, tuple[bytes | None, int]]:
    """All keys of a test: what DUMP gives, and the milliseconds they have left (0: for ever)."""
    keys = sorted(client.keys(f"{prefix}inferwatch:*"))
    return {key: (client.dump(key), max(0, client.pttl(key))) for key in keys}


def go_back(client: redis.Redis, prefix: str, held: dict[bytes, tuple[bytes | None, int]]) -> None:
    """Hold again what was held then, from one command to the next."""
    with client.pipeline(transaction=True) as pipe:
        pipe.delete(*client.keys(f"{prefix}inferwatch:*"))
        for key, (value, ttl) in held.items():
            if value is not None:
                pipe.restore(key, ttl, value)
        pipe.execute()
