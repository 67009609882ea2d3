"""`inferwatch top` in a terminal of its own, and where there is none."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import termios
import time

import pytest
from commit_rig import CommitRig

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{prefix: "{prefix}", partitions: 1}}
"""


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix, CONFIG)
    yield rig
    rig.close()


def command(rig, *options):
    return [sys.executable, "-m", "inferwatch", "top", "-c", str(rig.path), *options]


def read_until(terminal, text, within_s=30.0):
    seen, until = b"", time.monotonic() + within_s
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"{text!r} did not come; seen: {seen[-2000:]!r}"
        seen += os.read(terminal, 65536)
    return seen


@pytest.mark.parametrize("key", [b"q", b"Q", b"\x03"], ids=["q", "Q", "Ctrl-C"])
def test_a_key_ends_it_and_the_terminal_is_as_before(rig, key):
    terminal, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    # A session of its own, whose terminal this is: so that Ctrl-C becomes a signal.
    program = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command(rig)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
    )
    try:
        # Drawn twice: it refreshes.
        for _ in range(2):
            read_until(terminal, b"no model has sent anything yet")
        assert termios.tcgetattr(theirs)[3] & termios.ICANON == 0
        os.write(terminal, key)
        read_until(terminal, b"\x1b[?1049l")  # the other screen is left
        assert program.wait(20) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.kill()
        program.wait()
        os.close(theirs)
        os.close(terminal)


def test_where_there_is_no_terminal_it_prints_once(rig):
    done = subprocess.run(command(rig), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("0 incidents firing") == 1
    assert "\x1b" not in done.stdout


def test_a_pause_of_nothing_is_a_mistake_and_no_broker_is_exit_3(rig, tmp_path):
    done = subprocess.run(command(rig, "--every", "0s"), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--every" in done.stderr
    rig.path.write_text("broker: {url: 'kafka://127.0.0.1:9'}\n")
    done = subprocess.run(command(rig), capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
