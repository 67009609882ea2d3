"""A real Redis, its replica, and three Sentinels that make that the master when the first dies."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from eventually import eventually

from inferwatch.embedded.redis import find_server

NAME = "watched"
SENTINELS = 3
QUORUM = 2


class WatchedRedis:
    """What runs: a master, its replica, and the Sentinels.

    Attributes:
        ports: of the first master and of its replica.
        url: one Sentinel; clients ask it for the master.
    """

    def __init__(self, folder: Path, free_port) -> None:
        self._folder = folder
        self.ports = (free_port(), free_port())
        self._sentinels = [free_port() for _ in range(SENTINELS)]
        self._processes: dict[int, subprocess.Popen] = {}
        self.url = f"redis://127.0.0.1:{self._sentinels[0]}"

    def start(self) -> None:
        """Return when the Sentinels know one another, and the replica."""
        master, replica = self.ports
        self._start(master)
        self._start(replica, "--replicaof", "127.0.0.1", str(master))
        with redis.Redis(port=replica) as node:
            eventually(lambda: node.info("replication")["master_link_status"] == "up")
        for port in self._sentinels:
            config = self._folder / f"sentinel-{port}.conf"
            config.write_text(
                f"sentinel monitor {NAME} 127.0.0.1 {master} {QUORUM}\n"
                f"sentinel down-after-milliseconds {NAME} 1000\n"
                f"sentinel failover-timeout {NAME} 5000\n"
            )
            self._start(port, str(config), "--sentinel")
        for port in self._sentinels:
            with redis.Redis(port=port) as sentinel:
                eventually(lambda sentinel=sentinel: self._is_ready(sentinel))

    def _is_ready(self, sentinel: redis.Redis) -> bool:
        known = sentinel.sentinel_master(NAME)
        return (known["num-slaves"], known["num-other-sentinels"]) == (1, SENTINELS - 1)

    def master(self) -> int:
        """The port of the master, as the first Sentinel says."""
        with redis.Redis(port=self._sentinels[0]) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(NAME)[1])

    def kill(self, port: int) -> None:
        """SIGKILL one node."""
        process = self._processes.pop(port)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End all of it."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _start(self, port: int, *options: str) -> None:
        home = self._folder / f"node-{port}"
        home.mkdir()
        config = [o for o in options if o.endswith(".conf")]
        rest = [o for o in options if not o.endswith(".conf")]
        command = [find_server(), *config, "--port", str(port), "--save", "", *rest]
        self._processes[port] = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL)
        with redis.Redis(port=port) as node:
            eventually(node.ping)


@contextmanager
def watched_redis(folder: Path, free_port) -> Iterator[WatchedRedis]:
    """Started, and stopped at the end."""
    watched = WatchedRedis(folder, free_port)
    try:
        watched.start()
        yield watched
    finally:
        watched.stop()
