"""Authorities and certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


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


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def _openssl(*args: object) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
