"""`inferwatch up`: what it starts, and that nothing of it is left."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eventually import eventually
from kafka_server import free_ports

pytestmark = pytest.mark.broker

START_S = 60


class Up:
    """One `inferwatch up` in a process of its own."""

    def __init__(self, folder, config, *options):
        self.listen = f"127.0.0.1:{free_ports(1)[0]}"
        (folder / "up.yaml").write_text(config)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.log = folder / "up.log"
        env = {
            **os.environ,
            "TMPDIR": str(self.temporary),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        argv = [sys.executable, "-m", "inferwatch", "up", "-c", str(folder / "up.yaml")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, "--listen", self.listen, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
            )

    def said(self):
        return self.log.read_text()

    def wait_for(self, text, count=1):
        def look():
            assert self.process.poll() is None, self.said()
            return self.said().count(text) >= count

        try:
            eventually(look, START_S)
        except AssertionError as error:
            raise AssertionError(f"{text!r} was not said:\n{self.said()}") from error

    def addresses(self):
        """What it listens at: the dashboard, and the embedded parts."""
        parts = re.findall(r"(?:broker|redis).url is \w+://([\d.:]+)", self.said())
        return [self.listen, *parts]

    def children(self):
        """The process ids of its children, and of theirs."""
        return descendants(self.process.pid)


def descendants(pid):
    tasks = Path(f"/proc/{pid}/task")
    found = []
    for task in tasks.iterdir() if tasks.exists() else ():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def answers(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture
def start_up(tmp_path):
    started = []

    def start(config, *options):
        started.append(Up(tmp_path, config, *options))
        return started[-1]

    yield start
    for up in started:
        up.process.kill()
        up.process.wait()


EMBEDDED = "broker: {url: embedded}\nredis: {url: embedded}\n"
NOTIFY = "notify: {route: {receiver: me}, receivers: [{name: me, console_configs: [{}]}]}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_and_leaves_nothing(start_up, number):
    up = start_up(EMBEDDED + NOTIFY)
    up.wait_for("dashboard: http://")
    up.wait_for("worker: working")
    assert "in memory only" in up.said()
    # broker, redis and its server, worker, notify, dashboard; a launcher is there for a moment
    children = eventually(lambda: found if len(found := up.children()) == 6 else None)
    addresses = up.addresses()
    assert len(addresses) == 3
    assert all(answers(a) for a in addresses)

    began = time.monotonic()
    up.process.send_signal(number)
    assert up.process.wait(20) == 0
    assert time.monotonic() - began < 6  # 5 s for the children, and our own exit
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert not any(answers(a) for a in addresses)
    assert list(up.temporary.iterdir()) == []
    assert "Traceback" not in up.said()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_a_killed_up_takes_its_children_with_it(start_up):
    up = start_up(EMBEDDED)
    up.wait_for("dashboard: http://")
    addresses, children = up.addresses(), up.children()
    up.process.kill()
    up.process.wait()
    eventually(lambda: not any(answers(a) for a in addresses), 5)
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 5)


def test_a_part_that_dies_is_started_again(start_up):
    up = start_up(EMBEDDED)
    up.wait_for("worker: working")
    (worker,) = [pid for pid in up.children() if b"\0worker\0" in command_line(pid)]
    os.kill(worker, signal.SIGKILL)
    up.wait_for("worker was killed by SIGKILL; started again in 1 s")
    up.wait_for("worker: working", count=2)


def test_other_commands_reach_it_with_the_config_that_it_names(start_up):
    up = start_up(EMBEDDED)
    up.wait_for("dashboard: http://")
    (file,) = re.findall(r"^config: (\S+) \(other", up.said(), re.MULTILINE)
    argv = [sys.executable, "-m", "inferwatch", "status", "-c", file, "--json"]
    status = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert status.returncode == 0, status.stderr


def test_the_embedded_broker_is_not_replaced_by_an_empty_one(start_up):
    up = start_up(EMBEDDED)
    up.wait_for("dashboard: http://")
    (broker,) = [p for p in up.children() if b"\0inferwatch.embedded.broker\0" in command_line(p)]
    os.kill(broker, signal.SIGKILL)
    assert up.process.wait(20) == 1
    assert "broker was killed by SIGKILL, and what it held is gone; start again" in up.said()


def test_it_runs_on_a_given_broker_and_redis(start_up, real_kafka, redis_server, prefix, tmp_path):
    from kafka import KafkaAdminClient

    up = start_up(
        f"broker: {{url: {real_kafka.bootstrap}}}\nredis: {{url: {redis_server.url}}}\n"
        f"topics: {{prefix: {prefix}, partitions: 2}}\n"
    )
    up.wait_for("dashboard: http://")
    assert f"config: {tmp_path / 'up.yaml'} (other commands take it with -c)" in up.said()
    up.wait_for("worker: working")
    admin = KafkaAdminClient(bootstrap_servers=real_kafka.bootstrap)
    topics = [t for t in admin.list_topics() if t.startswith(prefix)]
    admin.close()
    assert f"{prefix}inference.predictions" in topics
    assert f"{prefix}monitoring.windows" in topics
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(20) == 0


def test_an_embedded_redis_beside_a_real_broker_keeps_its_data(start_up, real_kafka, prefix):
    config = (
        f"broker: {{url: {real_kafka.bootstrap}}}\nredis: {{url: embedded}}\n"
        f"topics: {{prefix: {prefix}}}\n"
    )
    up = start_up(config)
    up.wait_for("dashboard: http://")
    (data,) = (up.temporary.parent / "state" / "inferwatch").iterdir()
    assert f"keeps its data in {data}" in up.said()
    assert data.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("config", "code", "said"),
    [
        ("brooker: {}", 2, r"up.yaml:1:1: brooker: "),
        ("broker: {url: '127.0.0.1:1'}\nredis: {url: embedded}", 3, "Kafka: no answer"),
        ("broker: {url: embedded}\nredis: {url: 'redis://127.0.0.1:1/0'}", 3, "Redis: no answer"),
    ],
)
def test_it_ends_with_one_line_when_it_cannot_begin(start_up, config, code, said):
    up = start_up(config)
    assert up.process.wait(60) == code, up.said()
    assert re.search(said, up.said().splitlines()[-1])
    assert "Traceback" not in up.said()


def test_a_taken_dashboard_port_is_said_before_anything_is_started(start_up, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        up = start_up(EMBEDDED, "--listen", address)
        assert up.process.wait(60) == 2
    assert f"something serves at {address} already" in up.said()


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()
