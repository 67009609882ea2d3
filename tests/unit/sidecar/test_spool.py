"""A whole sidecar with a spool: what the files hold, what it tells, and that traffic goes on."""

import http.client
import json

import pytest
from eventually import eventually
from sidecar_rig import KeepingBroker, answer, answering, post, read_exactly, rig
from spool_rig import files, full_disk

from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from producers.counters import SDK, Counters
from producers.sidecar.outlet import Outlet

PREDICTED = answer(b'{"predictions":["y"]}')


def asked(row, *headers):
    return post("/v1/models/m:predict", json.dumps({"instances": [row]}).encode(), *headers)


def ask(running, *requests):
    with running.connect() as client:
        for request in requests:
            client.sendall(request)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED


def metric(running, name):
    admin = http.client.HTTPConnection(*running.admin, timeout=10)
    try:
        admin.request("GET", "/metrics")
        text = admin.getresponse().read().decode()
    finally:
        admin.close()
    found = [line for line in text.splitlines() if line.startswith(f"inferwatch_sidecar_{name}")]
    return sum(float(line.split()[-1]) for line in found)


@pytest.fixture
def away():
    broker = KeepingBroker(1)
    broker.is_lost = True
    return broker


def test_no_secret_is_in_a_file(tmp_path, away):
    secrets = ("eve@example.com", "hunter2", "4111-1111", "tok3n")
    row = {"amount": 12.5, "email": secrets[0], "password": secrets[1], "card": secrets[2]}
    rules = {
        "spool": {"dir": str(tmp_path)},
        "redact": ["email"],
        "features": {"deny": ["password"], "hash": ["card"], "hash_key": "k"},
    }
    with rig(answering(PREDICTED), sidecar=rules, broker=away) as running:
        ask(running, asked(row, f"Authorization: Bearer {secrets[3]}"))
        eventually(lambda: metric(running, "spool_rows_written_total") == 2, 10)
        written = b"".join(path.read_bytes() for path in files(tmp_path))
        assert b"amount" in written
        for secret in secrets:
            assert secret.encode() not in written


def test_its_numbers_are_at_the_admin_port(tmp_path, away):
    spool = {"spool": {"dir": str(tmp_path), "max": "2MiB"}}
    with rig(answering(*[PREDICTED] * 5), sidecar=spool, broker=away) as running:
        ask(running, *[asked([1])] * 5)
        eventually(lambda: metric(running, "spool_rows_written_total") == 10, 10)
        assert metric(running, "spool_bytes") == sum(p.stat().st_size for p in files(tmp_path))
        assert metric(running, "spool_limit_bytes") == 2 * 2**20
        assert metric(running, "spool_rows") > 0
        away.is_lost = False
        running.wait_for(Kind.PREDICTION, 5)
        eventually(lambda: metric(running, "spool_bytes") == 0, 10)
        assert metric(running, "spool_errors_total") == 0


def test_a_full_disk_touches_neither_traffic_nor_events(tmp_path, away, caplog):
    count = 50
    spool = {"spool": {"dir": str(tmp_path)}}
    with rig(answering(*[PREDICTED] * count), sidecar=spool, broker=away) as running, full_disk():
        ask(running, *[asked([n]) for n in range(count)])
        eventually(lambda: metric(running, "spool_errors_total") >= 1, 10)
        away.is_lost = False
        rows = running.wait_for(Kind.PREDICTION, count)
        assert running.sidecar.counters.total("tap_errors_total") == 0
        assert running.sidecar.counters.total("rows_dropped_total") == 0
    assert [row["features.f0"] for row in rows] == list(range(count))
    assert sum("cannot be used" in record.getMessage() for record in caplog.records) == 1


def test_a_model_server_that_watches_itself_has_no_spool(tmp_path):
    settings = load(None, text=f"sidecar: {{spool: {{dir: {tmp_path}}}}}")
    broker = KeepingBroker()
    outlets = {
        is_guest: Outlet(
            settings, Counters(SDK), part="sdk", connect=broker.connect, is_guest=is_guest
        )
        for is_guest in (True, False)
    }
    assert "spool_bytes" not in outlets[True].counters.prometheus()
    assert "spool_bytes" in outlets[False].counters.prometheus()
