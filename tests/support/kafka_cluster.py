"""Three real Kafka nodes, each broker and controller: any one of them may die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaAdminClient
from kafka_server import KafkaServer, free_ports, node_settings

NODES = (1, 2, 3)
HEAP = "256m"
_PREFERRED = 0  # Kafka's number for this kind of election


class KafkaCluster:
    """What has three copies goes on with two.

    Attributes:
        bootstrap: all three addresses, as a config names them.
    """

    def __init__(self, folder: Path) -> None:
        ports = free_ports(2 * len(NODES))
        self._ports = dict(zip(NODES, zip(ports[::2], ports[1::2], strict=True), strict=True))
        controllers = {node: controller for node, (_, controller) in self._ports.items()}
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port, _ in self._ports.values())
        self._servers = {}
        for node, (port, controller) in self._ports.items():
            home = folder / f"kafka-{node}"
            home.mkdir()
            settings = node_settings(home / "data", node, port, controllers)
            self._servers[node] = KafkaServer(
                home, settings=settings, ports=(port, controller), node=node, heap=HEAP
            )

    def start(self) -> None:
        """Return when all of them answer clients; one alone has no quorum."""
        for node, server in self._servers.items():
            server.launch(*self._ports[node])
        for node in self._servers:
            self._await(node)

    def restart(self, node: int) -> None:
        """Start one again that was killed; it copies what it has missed by itself."""
        self._servers[node].launch(*self._ports[node])
        self._await(node)

    def kill(self, node: int) -> None:
        """SIGKILL one of them."""
        self._servers[node].kill()

    def stop(self) -> None:
        """End all of them; nothing that they hold is needed any more."""
        for server in self._servers.values():
            server.kill()

    def leaders(self, topic: str) -> dict[int, int]:
        """Which node leads each partition of a topic."""
        return {n: part["leader_id"] for n, part in self._partitions(topic).items()}

    def lead_evenly(self) -> None:
        """Make the first of each partition's nodes its leader again: a restart leaves it none."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap.split(","))
        try:
            admin.elect_leaders(_PREFERRED, raise_errors=False)
        finally:
            admin.close()

    def in_sync(self, topic: str) -> int:
        """The copies of a topic's worst partition that are whole."""
        return min(len(part["isr_nodes"]) for part in self._partitions(topic).values())

    def _partitions(self, topic: str) -> dict[int, dict]:
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap.split(","))
        try:
            (found,) = admin.describe_topics([topic])
        finally:
            admin.close()
        return {part["partition_index"]: part for part in found["partitions"]}

    def _await(self, node: int) -> None:
        server = self._servers[node]
        if not server.answers(self._ports[node][0]):
            raise RuntimeError(f"Kafka node {node} did not start:\n{server.log_tail()}")


@contextmanager
def three_brokers(folder: Path) -> Iterator[KafkaCluster]:
    """Started, and gone at the end."""
    cluster = KafkaCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
