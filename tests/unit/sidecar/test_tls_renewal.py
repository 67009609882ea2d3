"""Certificates, keys and authorities that are renewed in place while traffic passes."""

import asyncio
import json
import os
import socket
import ssl

import pytest
import uvloop
from certificates import Pki
from eventually import eventually
from sidecar_rig import answer, answering, post, read_exactly, rig

from inferwatch.settings import load
from producers.sidecar.reload import Reloader, wants_restart

PREDICT = post("/v1/models/m:predict", b'{"instances":[1]}')
PREDICTED = answer(b'{"predictions":[1]}')
LOOPS = pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def test_a_renewed_certificate_is_met_by_the_next_client(pki, tmp_path):
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.write_bytes(pki.elsewhere.cert.read_bytes())
    key.write_bytes(pki.elsewhere.key.read_bytes())
    sidecar = {"tls": {"cert_file": str(cert), "key_file": str(key)}}
    with rig(answering(PREDICTED), sidecar=sidecar) as running:
        with pytest.raises(ssl.SSLCertVerificationError):
            pki.connect(running.address)
        cert.write_bytes(pki.server.cert.read_bytes())
        key.write_bytes(pki.server.key.read_bytes())
        follow(running)
        with pki.connect(running.address) as client:
            client.sendall(PREDICT)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
        key.unlink()
        follow(running)
        pki.connect(running.address).close()


def follow(running, **tls):
    settings = {"sidecar": {"model": "m", **({"tls": tls} if tls else {})}}
    running.sidecar.renew(load(None, text=json.dumps(settings)))


@LOOPS
def test_a_certificate_that_is_renewed_before_its_key_shuts_nobody_out(pki, tmp_path, loop, caplog):
    own = copied(pki.server, tmp_path)
    with rig(answering(PREDICTED), sidecar={"tls": own}, loop_factory=loop) as running:
        (tmp_path / "cert.pem").write_bytes(pki.client.cert.read_bytes())
        follow(running)
        assert "sidecar.tls: key_file:" in caplog.text
        with pki.connect(running.address) as client:
            client.sendall(PREDICT)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED


def test_a_renewed_key_may_have_another_password(pki, tmp_path):
    own = copied(pki.elsewhere, tmp_path)
    with rig(answering(), sidecar={"tls": own}) as running:
        copied(pki.closed, tmp_path)
        follow(running, **own, key_password="s3cret")
        pki.connect(running.address).close()


def test_a_new_password_wants_no_restart():
    def config(more):
        tls = f"{{cert_file: c, key_file: k{more}}}"
        return load(
            None, text=f"sidecar: {{upstream: 'https://h', tls: {tls}, upstream_tls: {tls}}}"
        )

    assert wants_restart(config(""), config(", key_password: s3cret")) == []
    assert wants_restart(config(""), load(None, text="sidecar: {upstream: 'https://h'}")) == [
        "sidecar.tls",
        "sidecar.upstream_tls",
    ]


@LOOPS
def test_clients_of_a_renewed_authority_are_let_in_and_the_old_ones_no_more(pki, tmp_path, loop):
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(pki.stranger.cert.read_bytes())
    sidecar = {"tls": pki.listener(client_ca_file=str(authorities))}
    with rig(answering(PREDICTED), sidecar=sidecar, loop_factory=loop) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            is_let_in(pki, running, pki.client)
        authorities.write_bytes(pki.authority.cert.read_bytes())
        follow(running)
        is_let_in(pki, running, pki.client)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            is_let_in(pki, running, pki.stranger.issue("guest"))


def is_let_in(pki, running, own):
    with pki.connect(running.address, own) as client:
        client.sendall(PREDICT)
        if not client.recv(1):
            raise ConnectionError


def test_a_renewed_authority_of_the_model_server_is_read_whatever_the_listener_has(pki, tmp_path):
    authority, server = tmp_path / "ca.pem", pki.serving(answering(PREDICTED))
    authority.write_bytes(pki.stranger.cert.read_bytes())
    sidecar = {
        "upstream": f"https://localhost:{server.port}",
        "tls": copied(pki.server, tmp_path),
        "upstream_tls": {"ca_file": str(authority)},
    }
    with rig(None, sidecar=sidecar) as running:
        authority.write_bytes(pki.authority.cert.read_bytes())
        (tmp_path / "key.pem").unlink()
        follow(running)
        with pki.connect(running.address) as client:
            client.sendall(PREDICT)
            assert read_exactly(client, len(PREDICTED)) == PREDICTED
    server.close()


def copied(issued, folder):
    """A certificate and its key where they can be renewed."""
    (folder / "cert.pem").write_bytes(issued.cert.read_bytes())
    (folder / "key.pem").write_bytes(issued.key.read_bytes())
    return {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}


def test_a_client_that_names_no_server_meets_the_renewed_one(pki, tmp_path):
    with rig(answering(), sidecar={"tls": copied(pki.server, tmp_path)}) as running:
        copied(pki.elsewhere, tmp_path)
        follow(running)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(socket.create_connection(running.address, timeout=10)) as client:
            met = client.getpeercert(binary_form=True)
    assert met == ssl.PEM_cert_to_DER_cert(pki.elsewhere.cert.read_text())


def test_a_file_that_does_not_answer_holds_up_no_traffic(pki, tmp_path):
    own = copied(pki.server, tmp_path)
    with rig(answering(PREDICTED), sidecar={"tls": own}) as running:
        hung = tmp_path / "key.pem"
        hung.unlink()
        os.mkfifo(hung)
        sidecar, counters = running.sidecar, running.sidecar.counters
        settings = load(None, text="sidecar: {model: m}")
        reloader = Reloader(
            settings, lambda: settings, sidecar.follow, counters, renew=sidecar.renew
        )
        running.loop.call_soon_threadsafe(reloader.ask)
        with hung.open("wb"):  # opens once somebody reads
            with pki.connect(running.address) as client:
                client.sendall(PREDICT)
                assert read_exactly(client, len(PREDICTED)) == PREDICTED
            assert counters.total("config_reloads_total") == 0
        eventually(lambda: counters.total("config_reloads_total") == 1, 10, every_s=0.005)
