"""The supervisor with real processes: the gentle ones, and those that will not go."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eventually import eventually

from inferwatch.child import ChildDiedError, Program
from inferwatch.errors import ServiceUnreachableError
from inferwatch.supervisor import Supervisor

LISTEN = """
import signal, socket, sys
if "--stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", 0))
print("port", server.getsockname()[1])
signal.pause()
"""


def program(name, code, *options, **settings):
    return Program(name, (sys.executable, "-c", code, *options), **settings)


def port_of(log: Path) -> int:
    text = eventually(lambda: log.exists() and log.read_text())
    return int(text.split()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_output_goes_to_standard_error_with_the_name(capsys):
    with Supervisor() as group:
        group.start(program("speaker", "import sys; print('out'); print('err', file=sys.stderr)"))
        eventually(group.tend)
    assert sorted(capsys.readouterr().err.splitlines()) == ["speaker | err", "speaker | out"]


def test_output_goes_to_a_file(tmp_path, capsys):
    log = tmp_path / "speaker.log"
    with Supervisor() as group:
        group.start(program("speaker", "print('out')", log=log))
        eventually(group.tend)
    assert log.read_text() == "out\n"
    assert capsys.readouterr().err == ""


def test_the_environment_is_ours_and_the_programs(tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "1")
    log = tmp_path / "log"
    code = "import os; print(os.environ['OURS'], os.environ['ITS'])"
    with Supervisor() as group:
        group.start(program("env", code, env={"ITS": "2"}, log=log))
        eventually(group.tend)
    assert log.read_text() == "1 2\n"


def test_a_child_that_ignores_sigterm_is_gone_in_time_with_its_port(tmp_path):
    log = tmp_path / "log"
    group = Supervisor(stop_s=1.5)
    group.start(program("stubborn", LISTEN, "--stubborn", log=log))
    port = port_of(log)
    assert listens(port)
    began = time.monotonic()
    group.stop()
    assert time.monotonic() - began < 1.5
    assert not listens(port)


def test_what_a_child_leaves_behind_ends_with_it(tmp_path):
    log = tmp_path / "log"
    orphan = [sys.executable, "-c", LISTEN, "--stubborn"]
    code = f"import subprocess; subprocess.Popen({orphan!r})"
    with Supervisor() as group:
        group.start(program("careless", code, log=log))
        port = port_of(log)
    eventually(lambda: not listens(port))


def test_the_last_stage_ends_before_the_first_is_told_to(tmp_path):
    record = tmp_path / "record"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    print(sys.argv[1], file=open(sys.argv[3], 'a'), flush=True); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up'); signal.pause()"
    )
    logs = [tmp_path / "store.log", tmp_path / "worker.log"]
    with Supervisor() as group:
        group.start(program("store", code, "store", "0", str(record), log=logs[0]))
        group.start(program("worker", code, "worker", "0.2", str(record), log=logs[1]))
        for log in logs:
            eventually(lambda log=log: log.exists() and log.read_text())
    assert record.read_text().split() == ["worker", "store"]


def test_stop_may_be_called_again_and_with_nothing_started():
    group = Supervisor()
    group.stop()
    group.start(program("short", "pass"))
    group.stop()
    group.stop()
    assert group.children == []


def test_a_death_is_told_once_with_the_last_words():
    with Supervisor() as group:
        group.start(program("doomed", "print('alas'); raise SystemExit(7)"))
        (death,) = eventually(group.tend)
        assert (death.code, death.lines, death.again_in_s) == (7, ("alas",), None)
        assert group.tend() == []


def test_a_restarted_child_waits_longer_each_time(tmp_path):
    record = tmp_path / "record"
    code = "import sys; print('x', file=open(sys.argv[1], 'a'))"
    with Supervisor(delay_s=0.1) as group:
        group.start(program("doomed", code, str(record), restart=True))
        deaths = [eventually(group.tend)[0] for _ in range(3)]
    assert [d.again_in_s for d in deaths] == [0.1, 0.2, 0.4]
    assert record.read_text().split() == ["x"] * 3


def test_waiting_for_a_child_that_dies_ends_with_its_words_and_code():
    with Supervisor() as group:
        group.start(program("doomed", "print('no such topic'); raise SystemExit(3)"))
        with pytest.raises(ChildDiedError, match=r"exit code 3:\n  no such topic") as caught:
            group.wait_ready(lambda: False)
    assert caught.value.exit_code == 3


def test_waiting_ends_when_it_takes_too_long():
    with Supervisor() as group:
        group.start(program("slow", LISTEN))
        with pytest.raises(ServiceUnreachableError, match=r"slow: not ready within 0.2 s"):
            group.wait_ready(lambda: False, 0.2, what="slow")


def test_a_program_that_does_not_exist_is_said_at_once():
    with Supervisor() as group, pytest.raises(FileNotFoundError, match="no-such-program"):
        group.start(Program("ghost", ("no-such-program",)))


PARENT = """
import sys
from pathlib import Path
from inferwatch.supervisor import Program, Supervisor, interruptible
try:
    with interruptible(), Supervisor(stop_s=1.5) as group:
        for name in ("gentle", "stubborn"):
            argv = (sys.executable, "-c", sys.argv[1], "--" + name)
            group.start(Program(name, argv, log=Path(sys.argv[2], name)))
        group.run(print)
except KeyboardInterrupt:
    print("ended cleanly")
"""


@pytest.fixture
def parent(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, LISTEN, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    ports = [port_of(tmp_path / name) for name in ("gentle", "stubborn")]
    yield process, ports
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_in_time(parent, number):
    process, ports = parent
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 2.5  # 1.5 s for the children, the rest for its own exit
    assert process.stdout.read() == "ended cleanly\n"
    assert not any(listens(port) for port in ports)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_children_of_a_killed_parent_die(parent):
    process, ports = parent
    process.kill()
    eventually(lambda: not any(listens(port) for port in ports), 5)
