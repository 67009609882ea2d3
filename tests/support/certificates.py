"""Authorities and certificates for tests, made by openssl."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sidecar_rig import ScriptedServer


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates; its own is `cert`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self.cert, self._key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        _openssl(
            "req", "-x509", *_KEY, "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", self._key, "-out", self.cert,
        )  # fmt: skip

    def issue(self, name: str, host: str = "localhost", password: str | None = None) -> Issued:
        """A certificate for a host."""
        cert, key = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        closed = ["-nodes"] if password is None else ["-passout", f"pass:{password}"]
        _openssl(
            "req", "-x509", *_KEY, *closed, "-days", "2", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{host}", "-addext", "basicConstraints=CA:FALSE",
            "-CA", self.cert, "-CAkey", self._key, "-keyout", key, "-out", cert,
        )  # fmt: skip
        return Issued(cert, key)


class Pki:
    """Two authorities, and certificates of the first."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = Authority(folder)
        self.stranger = Authority(folder, "stranger")
        self.server = self.authority.issue("server")
        self.elsewhere = self.authority.issue("elsewhere", host="example.com")
        self.client = self.authority.issue("client")
        self.closed = self.authority.issue("closed", password="s3cret")

    def listener(self, own=None, **more):
        own = own or self.server
        return {"cert_file": str(own.cert), "key_file": str(own.key), **more}

    def connect(self, address, own=None, alpn=()):
        """A client that trusts the authority."""
        context = ssl.create_default_context(cafile=self.authority.cert)
        if own is not None:
            context.load_cert_chain(own.cert, own.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        plain = socket.create_connection(address, timeout=10)
        return context.wrap_socket(plain, server_hostname="localhost")

    def serving(self, script, own=None, clients=False, alpn=()):
        """A model server behind TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own = own or self.server
        context.load_cert_chain(own.cert, own.key)
        if clients:
            context.load_verify_locations(self.authority.cert)
            context.verify_mode = ssl.CERT_REQUIRED
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return ScriptedServer(script, context)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def _openssl(*args: object) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
