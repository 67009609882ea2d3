"""How to reach Redis: a client for threads, one for asyncio, and a check that it answers."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.exceptions import RedisClusterException

from inferwatch.errors import ServiceUnreachableError, UsageError
from inferwatch.settings.services import RedisSettings
from inferwatch.settings.tree import Settings

START_ONE = "start one with `docker compose up -d redis`, or let `inferwatch up` bring its own"

_SENTINEL_PORT = 26379
_CONNECT_S = 5.0
_ANSWER_S = 30.0


def connect(settings: RedisSettings) -> redis.Redis:
    """A client; it connects when it is first used, and its answers are bytes.

    Raises:
        UsageError: the Redis is embedded, so that only `inferwatch up` knows its address.
    """
    return cast(redis.Redis, _open(redis, settings))


def connect_async(settings: RedisSettings) -> redis.asyncio.Redis:
    """The same for asyncio; a Redis that holds the connection and says nothing is given up."""
    return cast(redis.asyncio.Redis, _open(redis.asyncio, settings, socket_timeout=_ANSWER_S))


def _open(library: Any, settings: RedisSettings, **more: Any) -> Any:
    """A client of `redis` or of `redis.asyncio`: both have the same classes."""
    if settings.embedded:
        raise UsageError(
            "redis.url is `embedded`: such a Redis lives inside of `inferwatch up`, which prints "
            "its address; give that one here, redis://HOST:PORT/0"
        )
    options = _options(settings) | more
    if settings.cluster:
        return library.RedisCluster.from_url(settings.url, **options)
    if settings.sentinel is None:
        return library.Redis.from_url(settings.url, **options)
    parts = urlsplit(settings.url)
    node = (parts.hostname, parts.port or _SENTINEL_PORT)
    database = int(parts.path.strip("/") or 0)
    encrypted = {"ssl": True} if parts.scheme == "rediss" else {}
    sentinel = library.Sentinel([node], **options, **encrypted)
    return sentinel.master_for(settings.sentinel, db=database)


def _options(settings: RedisSettings) -> dict[str, Any]:
    options: dict[str, Any] = {"socket_connect_timeout": _CONNECT_S}
    if settings.username is not None:
        options["username"] = settings.username
    if settings.password is not None:
        options["password"] = settings.password.get_secret_value()
    if settings.ca_file is not None:
        options["ssl_ca_certs"] = settings.ca_file
    return options


def reach_redis(settings: Settings) -> None:
    """Return once Redis answers; it is given 5 s to take the connection.

    Raises:
        ServiceUnreachableError: it did not; what was tried, how to start one.
    """
    try:
        with connect(settings.redis) as client:
            client.ping()
    except (redis.RedisError, RedisClusterException, OSError) as error:
        raise unreachable(settings.redis, error) from error


def unreachable(settings: RedisSettings, error: Exception) -> ServiceUnreachableError:
    """What was tried, without the password, and how to start one."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return ServiceUnreachableError(
        f"Redis: no answer from {shown_url(settings)} ({reason}); {START_ONE}"
    )


def shown_url(settings: RedisSettings) -> str:
    """The address as it may be shown: without user and password.

    >>> shown_url(RedisSettings(url="redis://ann:secret@localhost:6379/0"))
    'redis://localhost:6379/0'
    """
    parts = urlsplit(settings.url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
