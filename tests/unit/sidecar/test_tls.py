"""TLS on the sidecar's listener and towards the model server."""

import asyncio
import contextlib
import http.client
import json
import logging
import ssl

import pytest
import uvloop
from certificates import Pki
from eventually import eventually
from logger_events import kserve
from sidecar_rig import (
    answer,
    answering,
    post,
    read_exactly,
    read_request,
    read_to_end,
    rig,
)

from inferwatch.errors import ConfigError, UsageError
from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from producers.sidecar.http2 import PREFACE

PREDICT = post("/v1/models/m:predict", b'{"instances":[1]}')
PREDICTED = answer(b'{"predictions":[1]}')
LOOPS = pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@LOOPS
def test_clients_meet_the_certificate_and_bytes_pass(pki, loop, caplog):
    body = json.dumps({"instances": [[7] * 200_000]}).encode()
    asked = post("/v1/models/m:predict", body)

    def script(connection):
        assert read_request(connection) == asked
        connection.sendall(PREDICTED)
        read_to_end(connection)

    sidecar = {"tls": pki.listener()}
    with rig(script, sidecar=sidecar, loop_factory=loop) as running:
        with pki.connect(running.address) as client:
            client.sendall(asked)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
        (latency,) = running.wait_for(Kind.LATENCY)
        eventually(lambda: not running.sidecar._traffic._proxy._splices, 10, every_s=0.005)
    assert (latency["status"], latency["request_bytes"]) == (200, len(body))
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_a_client_without_tls_or_trust_gets_nothing(pki):
    with rig(answering(PREDICTED), sidecar={"tls": pki.listener(pki.elsewhere)}) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            assert not read_to_end(client).startswith(b"HTTP")
        with pytest.raises(ssl.SSLCertVerificationError):
            pki.connect(running.address)
        assert running.counter("connections_total") == 0


def test_only_clients_of_the_authority_are_let_in(pki):
    sidecar = {"tls": pki.listener(client_ca_file=str(pki.authority.cert))}
    with rig(answering(PREDICTED), sidecar=sidecar) as running:
        # Under TLS 1.3 the client hears of it with its first reading.
        with pytest.raises((ssl.SSLError, ConnectionError)), pki.connect(running.address) as client:
            client.sendall(PREDICT)
            assert client.recv(1) == b"", "it was let in"
            raise ConnectionError
        with pki.connect(running.address, pki.client) as client:
            client.sendall(PREDICT)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED


def upstream_answer(pki, server, **upstream_tls):
    sidecar = {"upstream": f"https://localhost:{server.port}"}
    if upstream_tls:
        sidecar["upstream_tls"] = {k: str(v) for k, v in upstream_tls.items()}
    try:
        with rig(None, sidecar=sidecar) as running, running.connect() as client:
            client.sendall(PREDICT)
            status = int(client.recv(65_536).split()[1])
            (latency,) = running.wait_for(Kind.LATENCY)
            assert latency["status"] == status
            return status
    finally:
        server.close()


@pytest.mark.parametrize(
    ("own", "upstream_tls", "status"),
    [
        ("server", {"ca_file": "authority"}, 200),
        ("server", {}, 502),
        ("server", {"ca_file": "stranger"}, 502),
        ("elsewhere", {"ca_file": "authority"}, 502),
        ("elsewhere", {"ca_file": "authority", "verify_hostname": "false"}, 200),
        ("elsewhere", {"ca_file": "stranger", "verify_hostname": "false"}, 502),
    ],
)
def test_the_model_server_must_be_known(pki, own, upstream_tls, status):
    server = pki.serving(answering(PREDICTED), getattr(pki, own))
    if "ca_file" in upstream_tls:
        upstream_tls = {**upstream_tls, "ca_file": getattr(pki, upstream_tls["ca_file"]).cert}
    assert upstream_answer(pki, server, **upstream_tls) == status


def test_the_model_server_is_shown_a_certificate(pki):
    own = {"cert_file": pki.client.cert, "key_file": pki.client.key}
    server = pki.serving(answering(PREDICTED), clients=True)
    assert upstream_answer(pki, server, ca_file=pki.authority.cert, **own) == 200
    # Without one it refuses, which TLS 1.3 tells after the handshake: there is no answer to see.
    server = pki.serving(answering(PREDICTED), clients=True)
    sidecar = {
        "upstream": f"https://localhost:{server.port}",
        "upstream_tls": {"ca_file": str(pki.authority.cert)},
    }
    with rig(None, sidecar=sidecar) as running:
        with running.connect() as client:
            client.sendall(PREDICT)
            with contextlib.suppress(ConnectionError):  # a reset is passed on as one
                assert read_to_end(client) == b""
        (latency,) = running.wait_for(Kind.LATENCY)
        assert latency["status"] == 502
    server.close()


@LOOPS
@pytest.mark.parametrize(
    ("offered", "agreed", "first", "upstream_agreed"),
    [
        (["h2", "http/1.1"], "http/1.1", PREDICT, "http/1.1"),
        (["h2"], "h2", PREFACE + b"\0\0\0\4\0\0\0\0\0", "h2"),
        ([], None, PREDICT, "http/1.1"),
    ],
)
def test_both_sides_speak_the_same_inside_of_tls(
    pki, offered, agreed, first, upstream_agreed, loop, caplog
):
    heard = []

    def script(connection):
        heard.append((connection.selected_alpn_protocol(), read_exactly(connection, len(first))))
        connection.sendall(PREDICTED)
        read_to_end(connection)

    server = pki.serving(script, alpn=("h2", "http/1.1"))
    sidecar = {
        "upstream": f"https://localhost:{server.port}",
        "tls": pki.listener(),
        "upstream_tls": {"ca_file": str(pki.authority.cert)},
    }
    with (
        rig(None, sidecar=sidecar, loop_factory=loop) as running,
        pki.connect(running.address, alpn=offered) as client,
    ):
        assert client.selected_alpn_protocol() == agreed
        client.sendall(first)
        assert read_exactly(client, len(PREDICTED)) == PREDICTED
    server.close()
    assert heard == [(upstream_agreed, first)]
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


@LOOPS
def test_a_client_that_goes_away_and_a_server_that_goes_away(pki, loop, caplog):
    def script(connection):
        request = read_request(connection)
        if b"/leave" in request:
            connection.sendall(PREDICTED[:-3])
        else:
            assert read_to_end(connection) == b""

    server = pki.serving(script)
    sidecar = {
        "upstream": f"https://localhost:{server.port}",
        "tls": pki.listener(),
        "upstream_tls": {"ca_file": str(pki.authority.cert)},
    }
    with rig(None, sidecar=sidecar, loop_factory=loop) as running:
        with pki.connect(running.address) as client:
            client.sendall(PREDICT)
            eventually(lambda: server.connections == 1, 10, every_s=0.005)
        (gone,) = running.wait_for(Kind.LATENCY)
        with pki.connect(running.address) as client:
            client.sendall(post("/leave/v1/models/m:predict", b'{"instances":[1]}'))
            assert read_exactly(client, len(PREDICTED) - 3) == PREDICTED[:-3]
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                assert client.recv(1) == b""
        cut = running.wait_for(Kind.LATENCY, 2)[1]
    server.close()
    assert (gone["status"], gone["error"]) == (499, "client_closed")
    assert cut["error"] == "upstream_truncated"
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_a_collector_takes_events_by_tls(pki):
    with rig(None, is_collector=True, sidecar={"tls": pki.listener()}) as running:
        context = ssl.create_default_context(cafile=pki.authority.cert)
        for kind, body in (("request", {"instances": [1]}), ("response", {"predictions": [2]})):
            event = kserve(kind, body)
            headers = {f"Ce-{k}": v for k, v in event["attributes"].items()}
            port = running.admin[1]
            client = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
            client.request("POST", "/", json.dumps(event["data"]), headers)
            assert client.getresponse().status == 200
            client.close()
        (row,) = running.wait_for(Kind.PREDICTION)
    assert row["prediction"] == 2


@pytest.mark.parametrize(
    ("section", "lines", "place", "what"),
    [
        ("tls", "cert_file: {no}, key_file: {server_key}", "cert_file", "cannot be read: No such"),
        ("tls", "cert_file: {server}, key_file: {no}", "key_file", "cannot be read: No such file"),
        ("tls", "cert_file: {server_key}, key_file: {server_key}", "cert_file", "no certificate"),
        ("tls", "cert_file: {server}, key_file: {server}", "key_file", "no private key in PEM"),
        ("tls", "cert_file: {server}, key_file: {client_key}", "key_file", "is not the key of"),
        ("tls", "cert_file: {closed}, key_file: {closed_key}", "key_file", "`key_password`"),
        (
            "tls",
            "cert_file: {closed}, key_file: {closed_key}, key_password: wr0ng",
            "key_file",
            "with this `key_password`",
        ),
        (
            "tls",
            "cert_file: {server}, key_file: {server_key}, client_ca_file: {no}",
            "client_ca_file",
            "cannot be read",
        ),
        ("tls", "cert_file: {broken}, key_file: {server_key}", "key_file", "cannot be used"),
        ("upstream_tls", "ca_file: {broken}", "ca_file", "that cannot be read"),
        ("upstream_tls", "cert_file: {server}, key_file: {no}", "key_file", "cannot be read"),
    ],
)
def test_files_that_cannot_be_used_are_mistakes(pki, section, lines, place, what):
    broken = pki.folder / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    files = {"no": pki.folder / "none.pem", "broken": broken}
    for name in ("server", "client", "closed"):
        files |= {name: getattr(pki, name).cert, f"{name}_key": getattr(pki, name).key}
    text = f"sidecar:\n  upstream: https://localhost:1\n  {section}: {{{lines.format(**files)}}}"
    load(None, text=text)  # another command may run where the files are not
    with pytest.raises(ConfigError) as caught:
        load("watch.yaml", text=text, with_files=True)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("watch.yaml:3:")
    assert f": sidecar.{section}.{place}: " in mistake
    assert what in mistake
    assert "wr0ng" not in mistake


@pytest.mark.parametrize("key", ["cert_file", "key_file"])
def test_a_certificate_and_its_key_go_together(key):
    with pytest.raises(ConfigError) as caught:
        load(None, text=f"sidecar: {{upstream_tls: {{{key}: x}}}}")
    assert "go together" in str(caught.value)


def test_a_password_opens_the_key(pki):
    closed = pki.listener(pki.closed, key_password="s3cret")
    text = f"sidecar: {{tls: {json.dumps(closed)}}}"
    load(None, text=text, with_files=True)
    with (
        rig(answering(PREDICTED), sidecar={"tls": closed}) as running,
        pki.connect(running.address) as client,
    ):
        client.sendall(PREDICT)
        assert read_exactly(client, len(PREDICTED)) == PREDICTED


def test_a_file_that_vanished_is_told_in_one_line(pki):
    own = {**pki.listener(), "cert_file": "/nowhere.pem"}
    with pytest.raises(UsageError, match=r"cert_file: /nowhere.pem cannot be read"):
        rig(answering(), sidecar={"tls": own}).__enter__()


def test_keys_for_a_server_that_is_reached_in_the_clear_are_surprising():
    text = "sidecar: {upstream: 'http://a:1', upstream_tls: {verify_hostname: false}}"
    (warning,) = load(None, text=text).warnings
    assert "http://a:1 is not reached by TLS" in warning
