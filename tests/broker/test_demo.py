"""The demo as a newcomer runs it: headless on embedded and on real parts, killed, interrupted."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
from eventually import eventually
from kafka import KafkaConsumer
from recompute import differences, identity, recompute

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.events.json_codec import alert_from_json, reference_from_json, window_from_json
from inferwatch.settings import load
from pipeline.log import raw_record

pytestmark = [pytest.mark.demo, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def start():
    """Starts a demo; one that a failed test left running is interrupted."""
    demos = []

    def start(out, *options):
        argv = [sys.executable, "-m", "inferwatch", "demo"]
        argv += ["--headless", "--out", str(out), *options]
        log = out.parent / f"{out.name}.log"
        with log.open("w") as output:
            demo = subprocess.Popen(argv, stdout=output, stderr=output, start_new_session=True)
        demos.append(demo)
        return demo

    yield start
    for demo in demos:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGINT)
            demo.wait(10)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_files(out):
    """The four files agree with the contract."""
    summary = json.loads((out / "summary.json").read_text())
    assert summary.keys() == {*("seconds", "rows", "windows", "incidents", "broker", "redis", "ok")}
    assert summary["ok"] is True
    assert summary["seconds"] > 0
    windows = [window_from_json(line) for line in (out / "windows.jsonl").read_bytes().splitlines()]
    assert summary["windows"] == len(windows)
    assert summary["rows"] == sum(w.rows for w in windows if w.segment is None) > 1_000
    assert all(w.completeness == 1.0 for w in windows if w.rows)
    alerts = [alert_from_json(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]
    incidents = {incident["incident"]: incident for incident in summary["incidents"]}
    assert incidents.keys() == {alert.incident for alert in alerts}
    kinds = {incident["kind"]: incident for incident in incidents.values()}
    assert kinds["quality"]["cause"] == kinds["input_drift"]["cause"] == "unit_change"
    page = next(a for a in alerts if a.rule == "accuracy-low" and a.status == "firing")
    assert page.labels["team"] == "flight-operations"
    assert "dep_delay" in page.summary
    deliveries = lines(out / "deliveries.jsonl")
    assert {d["incident"] for d in deliveries} == incidents.keys()
    assert all(
        d.keys()
        == {"at", "receiver", "incident", "fingerprint", "status", "attempt", "ok", "detail"}
        for d in deliveries
    )
    for incident in incidents.values():
        assert incident["fired_at"] <= incident["delivered_at"] <= incident["resolved_at"]
    load(str(out / "inferwatch.yaml"))
    return summary


def processes_of(out):
    """Pids of whatever still runs with this folder in its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(out) in command:
                found.append((int(entry.name), command.replace("\0", " ")))
    return found


def test_headless_on_embedded_parts_and_two_at_a_time(start, tmp_path):
    outs = [tmp_path / "one", tmp_path / "two"]
    demos = [start(out) for out in outs]
    codes = [demo.wait(280) for demo in demos]
    for out, code in zip(outs, codes, strict=True):
        assert code == 0, (tmp_path / f"{out.name}.log").read_text()[-3000:]
        check_files(out)
        assert not processes_of(out)
    ports = {load(str(out / "inferwatch.yaml")).dashboard.listen for out in outs}
    assert len(ports) == 2


@pytest.mark.parametrize("after_s", [0.5, 6.0, pytest.param(25.0, marks=pytest.mark.soak)])
def test_ctrl_c_at_any_moment_leaves_nothing_behind(start, tmp_path, after_s):
    out = tmp_path / "out"
    demo = start(out)
    time.sleep(after_s)
    os.killpg(demo.pid, signal.SIGINT)
    began = time.monotonic()
    code = demo.wait(10)
    assert time.monotonic() - began < 5
    # A shell sees 130 in both cases. Interrupted while a dataclass is being made (by `exec`), the
    # interpreter ends as if nobody had caught it.
    assert code in (130, -signal.SIGINT)
    text = (tmp_path / "out.log").read_text()
    assert "Traceback" not in text
    assert not processes_of(out)


def test_a_part_that_fails_fails_the_demo_and_says_which(start, tmp_path, unused_tcp_port):
    out = tmp_path / "out"
    demo = start(out, "--port", str(unused_tcp_port))

    def dashboard():
        return next((pid for pid, argv in processes_of(out) if " dashboard " in argv), None)

    eventually(lambda: "\ncalm:" in (tmp_path / "out.log").read_text(), timeout_s=90)
    host, _, port = load(str(out / "inferwatch.yaml")).dashboard.listen.rpartition(":")
    os.kill(dashboard(), signal.SIGKILL)
    with eventually(lambda: taken(host, int(port)), timeout_s=20):
        # It is started again, as what is killed is, and then cannot listen: a failure of its own.
        code = demo.wait(60)
    assert code == 1
    text = (tmp_path / "out.log").read_text()
    assert "logs/dashboard.log" in text.replace("\n", "")
    assert "Traceback" not in text
    assert not processes_of(out)


def taken(host, port):
    """A socket that listens there, or None while another one does."""
    try:
        return socket.create_server((host, port))
    except OSError:
        return None


class LogCopy(threading.Thread):
    """Copies the input topics while the demo runs: it deletes them at its end."""

    def __init__(self, settings):
        super().__init__(daemon=True)
        self._settings = settings
        self._ended = threading.Event()
        names = {t.full_name(settings.topics.prefix): t for t in topics.INPUTS}
        self._names = names
        self.log = {topic: defaultdict(list) for topic in topics.INPUTS}

    def run(self):
        consumer = KafkaConsumer(
            *self._names,
            **kafka_options(self._settings.broker),
            auto_offset_reset="earliest",
            metadata_max_age_ms=500,
        )
        while not self._ended.is_set():
            for part, records in consumer.poll(timeout_ms=200).items():
                copies = self.log[self._names[part.topic]][part.partition]
                copies.extend(raw_record(record) for record in records)
        consumer.close()

    def end(self):
        self._ended.set()
        self.join()


@pytest.mark.broker
def test_on_real_parts_with_a_worker_killed_in_the_middle(
    start, tmp_path, real_kafka, redis_server
):
    out = tmp_path / "out"
    demo = start(out, "--broker", real_kafka.bootstrap, "--redis", redis_server.url)
    config = out / "inferwatch.yaml"
    eventually(config.exists, timeout_s=60)
    settings = load(str(config))
    copy = LogCopy(settings)
    eventually(lambda: "calm" in (tmp_path / "out.log").read_text(), timeout_s=60)
    copy.start()
    time.sleep(12)
    killed = [pid for pid, command in processes_of(out) if "inferwatch worker" in command]
    before = sum(len(part) for part in copy.log[topics.PREDICTIONS].values())
    assert len(killed) == 1
    os.kill(killed[0], signal.SIGKILL)
    code = demo.wait(280)
    copy.end()
    text = (tmp_path / "out.log").read_text()
    assert code == 0, text[-3000:]
    assert re.search(r"worker was killed by SIGKILL; started again", text)
    check_files(out)
    records = {topic: dict(parts) for topic, parts in copy.log.items()}
    profile = reference_from_json((out / "profile.json").read_bytes())
    want = recompute(settings, records, [profile])
    got = {identity(window): window for window in lines(out / "windows.jsonl")}
    # The demo ends when the incident has; labels of the last windows were still under way.
    last = max(key[-1] for key in got)
    settled = [key for key in got if key[-1] <= last - 4 * 5_000]
    wrong = [line for key in settled for line in differences(got[key], want[key])]
    print(f"{len(settled)} windows equal a recompute; {before} batches were in before the kill")
    assert len(settled) > 20
    assert not wrong, wrong[:5]
