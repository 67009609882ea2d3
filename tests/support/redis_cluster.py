"""A real Redis Cluster of three nodes, each of which holds a third of the slots."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from eventually import eventually

from inferwatch.embedded.redis import find_server

SLOTS = 16_384
NODES = 3


@dataclass(frozen=True, slots=True)
class RedisCluster:
    """Where the nodes listen.

    Attributes:
        ports: of the nodes, in the order of their slots.
    """

    ports: tuple[int, ...]

    @property
    def url(self) -> str:
        """One node; clients ask it for the others."""
        return f"redis://127.0.0.1:{self.ports[0]}"

    def keys_of(self, port: int, pattern: str) -> list[bytes]:
        """The keys that one node holds and that a pattern fits."""
        with redis.Redis(port=port) as node:
            return list(node.scan_iter(pattern))


@contextmanager
def running_cluster(folder: Path, free_port) -> Iterator[RedisCluster]:
    """Start the nodes in folders of their own, join them, and wait until all know all slots."""
    ports = tuple(free_port() for _ in range(NODES))
    with ExitStack() as stack:
        for port in ports:
            home = folder / f"node-{port}"
            home.mkdir()
            options = ["--port", str(port), "--cluster-port", str(free_port())]
            process = subprocess.Popen(
                [find_server(), *options, "--cluster-enabled", "yes", "--save", ""],
                cwd=home,
                stdout=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        for n, node in enumerate(nodes):
            eventually(node.ping)
            first, last = n * SLOTS // NODES, (n + 1) * SLOTS // NODES - 1
            node.execute_command(f"CLUSTER ADDSLOTSRANGE {first} {last}")
            # Two nodes must not begin in one configuration epoch.
            node.execute_command(f"CLUSTER SET-CONFIG-EPOCH {n + 1}")
        for node in nodes[1:]:
            node.execute_command(f"CLUSTER MEET 127.0.0.1 {ports[0]} {bus_port(nodes[0])}")
        for node in nodes:
            eventually(lambda node=node: whole(node))
        yield RedisCluster(ports)


def bus_port(node: redis.Redis) -> int:
    """The port on which a node speaks with the others."""
    return int(node.config_get("cluster-port")["cluster-port"])


def whole(node: redis.Redis) -> bool:
    """Whether a node knows all nodes and all slots."""
    info = node.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == NODES
