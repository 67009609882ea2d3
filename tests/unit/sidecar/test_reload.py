"""The config read again while traffic passes."""

import asyncio
import json
import logging
import re
import signal
import socket
import threading
from contextlib import contextmanager

import pytest
from eventually import eventually
from logger_events import kserve, send
from sidecar_rig import ScriptedServer, answer, answering, free_port, post, read_exactly, rig
from sidecar_started import metrics, started

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from producers.counters import Counters
from producers.sidecar.reload import LIVE, Reloader, wants_restart

ROW = {"amount": 2, "email": "eve@example.com", "country": "DE"}
ANSWER = answer(json.dumps({"predictions": ["x"], "label": "y"}).encode())


@contextmanager
def reloading(tmp_path, before, reply=ANSWER):
    """A sidecar with the config of a file, and a way to write another and have it read."""
    file = tmp_path / "watch.yaml"
    file.write_text(before)
    settings = load(str(file))
    given = settings.sidecar.model_dump(exclude_unset=True)
    with rig(answering(reply), text=before, sidecar=given) as running:
        reloader = Reloader(
            settings, lambda: load(str(file)), running.sidecar.follow, running.sidecar.counters
        )

        def reload(text):
            file.unlink() if text is None else file.write_text(text)
            counters = running.sidecar.counters
            seen = counters.total("config_reloads_total")
            running.loop.call_soon_threadsafe(reloader.ask)
            eventually(lambda: counters.total("config_reloads_total") > seen, 10, every_s=0.002)

        yield running, reload


def ask(running, path="/v1/models/m:predict", body=None, reply=ANSWER):
    body = json.dumps(body or {"instances": [ROW]}).encode()
    assert running.exchange(post(path, body), len(reply)) == reply


def told(running, count):
    return running.wait_for(Kind.PREDICTION, count)[-1]


@pytest.mark.parametrize(
    ("before", "after", "column", "values"),
    [
        ("{model: a}", "{redact: [email]}", "features.email", ("eve@example.com", None)),
        ("{model: a}", "{features: {deny: [amount]}}", "features.amount", (2, None)),
        ("{redact: [amount]}", "{model: a}", "features.amount", (None, 2)),
        ("{model: a}", "{segments: {c: 'feature:country'}}", "segment.c", (None, "DE")),
        ("{version: '1'}", "{version: '2'}", "version", ("1", "2")),
    ],
)
def test_rules_are_taken_over(before, after, column, values, tmp_path):
    with reloading(tmp_path, f"sidecar: {before}") as (running, reload):
        ask(running)
        first = told(running, 1)
        reload(f"sidecar: {after}")
        ask(running)
        second = told(running, 2)
        payload = running.broker.batches[-1].payload
    assert (first.get(column), second.get(column)) == values
    if after == "{redact: [email]}":
        assert b"eve@example.com" not in payload


def test_the_hash_key_is_taken_over(tmp_path):
    text = "sidecar: {features: {hash: [country], hash_key: %s}}"
    with reloading(tmp_path, text % "one") as (running, reload):
        ask(running)
        first = told(running, 1)
        reload(text % "two")
        ask(running)
        assert told(running, 2)["features.country"] != first["features.country"]


def test_the_sample_is_taken_over(tmp_path):
    with reloading(tmp_path, "sidecar: {model: a}") as (running, reload):
        reload("sidecar: {sample: {predictions: 0}}")
        ask(running)
        running.wait_for(Kind.LATENCY)
        assert running.broker.rows(Kind.PREDICTION) == []


def test_routes_and_the_model_are_taken_over(tmp_path):
    route = "{path: /score, inputs: $.x, outputs: $.label}"
    with reloading(tmp_path, "sidecar: {model: a}") as (running, reload):
        ask(running, "/score", {"x": [1]})
        reload(f"sidecar: {{model: b, routes: [{route}]}}")
        ask(running, "/score", {"x": [1]})
        row = told(running, 1)
        assert len(running.broker.rows(Kind.LATENCY)) == 1
    assert (row["model"], row["prediction"]) == ("b", "y")


def test_the_protocol_is_taken_over_by_the_collector_too(tmp_path):
    asked = {"dataframe_split": {"columns": ["a"], "data": [[1]]}}
    with reloading(tmp_path, "sidecar: {model: a}") as (running, reload):
        reload("sidecar: {model: a, protocol: mlflow}")
        send(running.admin, kserve("request", asked))
        send(running.admin, kserve("response", {"predictions": [3]}))
        assert told(running, 1)["features.a"] == 1


def test_what_the_config_says_of_models_is_taken_over(tmp_path):
    scores = answer(b'{"predictions":[[0.1,0.9]]}')
    text = "{models: [{name: m, task: multiclass, classes: %s}], sidecar: {model: a}}"
    with reloading(tmp_path, text % "[p, q]", scores) as (running, reload):
        ask(running, reply=scores)
        first = told(running, 1)
        reload(text % "[r, s]")
        ask(running, reply=scores)
        second = told(running, 2)
    assert (first["prediction"], second["prediction"]) == ("q", "s")


def test_a_wrong_config_is_told_whole_and_changes_nothing(tmp_path, caplog):
    caplog.set_level(logging.INFO, "inferwatch")
    with reloading(tmp_path, "sidecar: {redact: [email]}") as (running, reload):
        reload("sidecar:\n  sample: {predictions: 2}\n  unknown: s3cret\n")
        ask(running)
        row = told(running, 1)
        assert running.counter("config_reloads_total", outcome="refused") == 1
        reload(None)
        assert running.counter("config_reloads_total", outcome="refused") == 2
    assert row.get("features.email") is None
    text = caplog.text
    for place in ("watch.yaml:2:25: sidecar.sample.predictions", "watch.yaml:3:3: sidecar.unknown"):
        assert place in text
    assert "(2 mistakes); the old one stays in force" in text
    assert "cannot be read" in text


def test_keys_that_want_a_restart_are_named(tmp_path, caplog):
    caplog.set_level(logging.INFO, "inferwatch")
    with reloading(tmp_path, "sidecar: {redact: [email]}") as (running, reload):
        reload(
            "{broker: {url: 'kafka://other:9092'}, limits: {event_bytes: 1KiB}, "
            "sidecar: {redact: [email], queue: 1MiB, admin: '127.0.0.1:1', admin_token: s3cret}}"
        )
    (line,) = [r.message for r in caplog.records if "restart" in r.message]
    named = "sidecar.queue, sidecar.admin, sidecar.admin_token, broker.url, limits.event_bytes"
    assert named in line
    assert "s3cret" not in caplog.text


def test_every_key_is_either_live_or_named():
    text = """
    sidecar: {upstream: 'http://h:1', listen: '127.0.0.1:1', mint_ids: true, queue: 1MiB,
      batch: {rows: 1}, spool: {dir: /tmp/x}, admin: '127.0.0.1:2', admin_token: t,
      tls: {cert_file: c, key_file: k}, upstream_tls: {ca_file: a},
      resources: {every: 1s}, timeouts: {connect: 1s}, collector: {wait: 1s}}
    """
    settings = load(None, text=text)
    named = {key.removeprefix("sidecar.") for key in wants_restart(load(None), settings)}
    assert named | LIVE == set(type(settings.sidecar).known_keys())
    assert not named & LIVE


def test_signals_while_it_reads_are_one_reading_more():
    gate, begun, readings = threading.Event(), threading.Event(), []

    def reread():
        readings.append(1)
        begun.set()
        assert gate.wait(10)
        return load(None)

    async def story():
        taken = []
        reloader = Reloader(load(None), reread, taken.append, Counters())
        reloader.ask()
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(5):
            reloader.ask()
        gate.set()
        await reloader.reading
        return len(taken)

    assert asyncio.run(story()) == len(readings) == 2


def read_until(process, text):
    assert any(text in line for line in iter(process.stderr.readline, "")), text


def test_the_signal_reads_the_file_again_and_the_options_still_hold(tmp_path):
    upstream = ScriptedServer(answering(ANSWER, ANSWER))
    file = tmp_path / "watch.yaml"
    file.write_text("sidecar: {model: a}\n")
    args = ["-c", str(file), "--upstream", f"http://127.0.0.1:{upstream.port}", "--listen"]
    args += ["127.0.0.1:0", "--admin", "127.0.0.1:0", "--broker", f"127.0.0.1:{free_port()}"]
    with started(*args) as process:
        line = process.stderr.readline()
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", line)]
        address, admin = ("127.0.0.1", ports[0]), ("127.0.0.1", ports[-1])
        with socket.create_connection(address, timeout=10) as client:
            file.write_text("sidecar: {sample: {predictions: nope}}\n")
            process.send_signal(signal.SIGHUP)
            read_until(process, f"{file}:1:33: sidecar.sample.predictions: ")
            read_until(process, "the old one stays in force")
            file.write_text("sidecar: {sample: {predictions: 0}}\n")
            process.send_signal(signal.SIGHUP)
            read_until(process, "the config was read again")
            client.sendall(post("/v1/models/m:predict", b'{"instances":[1]}'))
            assert read_exactly(client, len(ANSWER)) == ANSWER
        wanted = "inferwatch_sidecar_rows_sampled_out_total 1"
        eventually(lambda: wanted in metrics(admin), 10)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
    upstream.close()
    assert process.returncode == 0
    # The options still hold, so nothing wants a restart.
    assert "restart" not in rest
    assert "Traceback" not in rest


def test_without_a_config_file_the_signal_does_no_harm():
    args = ["--admin", "127.0.0.1:0", "--broker", f"127.0.0.1:{free_port()}"]
    with started(*args) as process:
        process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        read_until(process, "without a config file")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
