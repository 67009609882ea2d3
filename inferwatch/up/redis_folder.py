"""Where the embedded Redis keeps its data: for as long as the broker keeps its own."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inferwatch.errors import UsageError
from inferwatch.settings import Settings

_log = logging.getLogger(__name__)


@contextmanager
def redis_folder(settings: Settings, temporary: Path) -> Iterator[Path]:
    """A folder for Redis, for one `up` at a time.

    Beside an embedded broker, which forgets everything, it is in `temporary`: positions of a
    broker that is gone would be wrong. Beside a real one it is `~/.local/state/inferwatch/redis-…`
    (`$XDG_STATE_HOME`), one for each broker and topic prefix, and readable by its owner only.

    Raises:
        UsageError: another `up` uses it.
    """
    if settings.broker.embedded or not settings.redis.embedded:
        yield temporary / "redis-data"
        return
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    known_by = f"{','.join(settings.broker.bootstrap)} {settings.topics.prefix}"
    data = state / "inferwatch" / f"redis-{hashlib.sha256(known_by.encode()).hexdigest()[:12]}"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another `inferwatch up` runs on this broker and prefix, and uses {data}; "
                "stop it, or set another topics.prefix"
            ) from None
        _log.info("the embedded Redis keeps its data in %s", data)
        yield data
