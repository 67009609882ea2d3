"""`inferwatch sidecar` as a user starts it, in a process of its own."""

import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from logger_events import kserve, send
from sidecar_rig import ScriptedServer, answer, answering, free_port, post, read_exactly
from sidecar_started import started

from inferwatch.cli import root

PREDICT = post("/v1/models/m:predict", b'{"instances":[1]}')
PREDICTED = answer(b'{"predictions":[1]}')
ADDRESS = r"127\.0\.0\.1:(\d+)"


def test_it_works_without_a_config_and_without_a_broker():
    upstream = ScriptedServer(answering(PREDICTED))
    args = ["--upstream", f"http://127.0.0.1:{upstream.port}", "--listen", "127.0.0.1:0"]
    args += ["--admin", "127.0.0.1:0", "--broker", f"127.0.0.1:{free_port()}"]
    with started(*args) as process:
        line = process.stderr.readline()
        found = re.search(
            f"listening on {ADDRESS}, in front of .*; admin listening on {ADDRESS}", line
        )
        assert found, line
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as client:
            client.sendall(PREDICT)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
        admin = http.client.HTTPConnection("127.0.0.1", int(found[2]), timeout=10)
        admin.request("GET", "/readyz")
        assert admin.getresponse().status == 200
        admin.close()
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        assert int(resident[1]) < 75_000  # kB; benchmarks/sidecar_latency.py tells the figure
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in rest
    # One latency event and one prediction, which no broker took.
    assert "closed; 0 rows published, 2 dropped" in rest
    upstream.close()


def test_without_an_upstream_it_collects():
    broker = f"127.0.0.1:{free_port()}"
    with started("--admin", "127.0.0.1:0", "--broker", broker) as process:
        line = process.stderr.readline()
        found = re.search(f"collector of CloudEvents, listening on {ADDRESS}", line)
        assert found, line
        address = ("127.0.0.1", int(found[1]))
        assert send(address, kserve("request", {"instances": [1]})) == 200
        assert send(address, kserve("response", {"predictions": [1]})) == 200
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert "closed; 0 rows published, 2 dropped" in rest


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "no upstream"),
        (["--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"], "no upstream"),
        (["--upstream", "ftp://x"], "--upstream: 'ftp://x' is no upstream"),
        (["--upstream", "http://h:1/path"], "the sidecar passes paths on unchanged"),
        (["--upstream", "http://h:1", "--listen", "nowhere"], "--listen: 'nowhere' is no address"),
        (["--upstream", "http://h:1", "--admin", "0.0.0.0:9001"], "`admin_token`"),
        (["--upstream", "http://h:1", "--broker", "a:b:c"], "--broker: 'a:b:c' is no broker"),
        (["--upstream", "http://h:1", "--protocol", "soap"], "--protocol: "),
        (["-c", "/nowhere.yaml", "--upstream", "http://h:1"], "/nowhere.yaml"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(args, text):
    result = CliRunner().invoke(root, ["sidecar", *args])
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert text in lines[0]


def test_a_taken_port_is_one_line_and_exit_code_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        args = ["--upstream", "http://h:1", "--listen", f"127.0.0.1:{port}"]
        args += ["--admin", "127.0.0.1:0"]
        result = CliRunner().invoke(root, ["sidecar", *args])
    assert result.exit_code == 2
    assert f"--listen 127.0.0.1:{port}: cannot listen there" in result.stderr


def test_nothing_heavy_is_imported():
    heavy = ("numpy", "pyarrow", "redis", "faust", "aiohttp", "pandas", "psutil", "pipeline")
    code = f"import sys, producers.sidecar.app\nprint([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
