"""Apache Kafka on free ports, KRaft: one node, or one of several (`kafka_cluster.py`)."""

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import kafka_distribution as distribution

from inferwatch import tether

_START_S = 60.0
_ATTEMPTS = 3


class KafkaServer:
    """A real broker that a test can kill and start again; data and ports stay.

    Attributes:
        bootstrap: `127.0.0.1:PORT`.
        real: True; the embedded stand-in says False.
    """

    real = True
    name = f"Apache Kafka {distribution.VERSION}"

    def __init__(
        self,
        dir: Path,
        *,
        settings: dict[str, str] | None = None,
        ports: tuple[int, int] | None = None,
        node: int = distribution.NODE_ID,
        heap: str = "512m",
    ) -> None:
        """`settings` replace ours, as they are; `ports` are then those of clients, controller."""
        self.dir = dir
        self.bootstrap = ""
        self.node = node
        self._heap = heap
        self._settings = settings
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and return when it answers clients."""
        attempts = 1 if self._ports else _ATTEMPTS
        for _ in range(attempts):
            ports = self._ports or free_ports(2)
            self.launch(*ports)
            if self.answers(ports[0]):
                self._ports = ports
                self.bootstrap = f"127.0.0.1:{ports[0]}"
                return self
            self.kill()
        raise RuntimeError(f"Kafka did not start; the end of its log:\n{self.log_tail()}")

    def stop(self) -> None:
        """End it cleanly, or after 10 s by force."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, as a machine's end would be."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: it neither answers nor closes connections, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def log_tail(self, lines: int = 40) -> str:
        """The end of what it printed."""
        log = self.dir / "kafka.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

    def launch(self, port: int, controller: int) -> None:
        """Start the process, and wait for nothing."""
        data = self.dir / "data"
        if not data.exists():
            distribution.copy_formatted(data, self.node)
        settings = self.dir / "server.properties"
        own = {self.node: controller}
        wanted = self._settings or node_settings(data, self.node, port, own)
        settings.write_text("".join(f"{key}={value}\n" for key, value in wanted.items()))
        with (self.dir / "kafka.log").open("ab") as log:
            self._process = tether.start(
                [*distribution.java_command(heap=self._heap), "kafka.Kafka", str(settings)],
                cwd=self.dir,
                output=log,
            )

    def answers(self, port: int) -> bool:
        """Wait until it answers clients; False where it ended, or did not within a minute."""
        from kafka.admin import KafkaAdminClient
        from kafka.errors import KafkaError

        deadline = time.monotonic() + _START_S
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < deadline:
            if _listens(port):
                try:
                    KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}").close()
                    return True
                except KafkaError:
                    pass
            time.sleep(0.1)
        return False


def node_settings(
    data: Path, node: int, port: int, controllers: dict[int, int]
) -> dict[str, object]:
    """The properties of a node; `controllers` are the ports of all nodes' controllers.

    With three nodes and more what Kafka keeps for itself has three copies, of which two must be
    there; topics that say nothing else, too.
    """
    copies = min(3, len(controllers))
    voters = ",".join(f"{n}@127.0.0.1:{at}" for n, at in controllers.items())
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": voters,
        "listeners": f"BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controllers[node]}",
        "advertised.listeners": f"BROKER://127.0.0.1:{port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        # As a user's cluster should be: a misspelt topic is an error, not a new topic.
        "auto.create.topics.enable": "false",
        "num.partitions": 4,
        "min.insync.replicas": max(1, copies - 1),
        # Few partitions start faster.
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": max(1, copies - 1),
        "share.coordinator.state.topic.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # After a SIGKILL the controller admits the broker again when its old session is over.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # Tests write events of past years: a record's age must not delete it during the run.
        "log.retention.hours": -1,
        "log.segment.bytes": 1 << 26,
        # Index files are allocated ahead, 10 MB a partition; hundreds of test topics share a disk.
        "log.index.size.max.bytes": 1 << 20,
        "num.network.threads": 2,
        "num.io.threads": 2,
        "log.cleaner.dedupe.buffer.size": 1 << 21,
    }


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that nobody listens at: all different, because all are held until all are known."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = tuple(probe.getsockname()[1] for probe in probes)
    for probe in probes:
        probe.close()
    return ports


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
