"""Certificates and keys of PEM files, put into TLS contexts; faults are told by their key."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import SecretStr

_MAX_BYTES = 2**20


class CertificateFault(NamedTuple):
    """What is wrong with one file; never a word of what stands in it."""

    key: str
    text: str


class CertificateError(Exception):
    """A file cannot be used; `fault` names the key of the config that named it."""

    def __init__(self, key: str, text: str) -> None:
        """Remember both."""
        super().__init__(f"{key}: {text}")
        self.fault = CertificateFault(key, text)


class Certificate(Protocol):
    """The keys of a config section that name one's own certificate."""

    @property
    def cert_file(self) -> str | None:
        """PEM file of the certificate, with those between it and the authority."""

    @property
    def key_file(self) -> str | None:
        """PEM file of its private key."""

    @property
    def key_password(self) -> SecretStr | None:
        """The password of the private key."""


def load_own(context: ssl.SSLContext, own: Certificate) -> None:
    """Put a certificate and its key into a context; new connections use them.

    Raises:
        CertificateError: a file cannot be read, or they do not belong together.
    """
    if own.cert_file is None or own.key_file is None:
        return
    _read_pem("cert_file", own.cert_file, "CERTIFICATE")
    _read_pem("key_file", own.key_file, "PRIVATE KEY")
    # Without any password OpenSSL would ask for one on the terminal.
    password = own.key_password.get_secret_value() if own.key_password is not None else ""
    try:
        context.load_cert_chain(own.cert_file, own.key_file, password)
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise CertificateError(
                "key_file", f"{own.key_file} is not the key of {own.cert_file}"
            ) from None
        what = "cannot be used with this `key_password`" if password else "cannot be used"
        cure = "allowed is a PEM key, whose password is `key_password` if it has one"
        raise CertificateError("key_file", f"{own.key_file} {what}; {cure}") from None


def load_authorities(context: ssl.SSLContext, key: str, file: str) -> None:
    """Put the authorities of a file into a context.

    Raises:
        CertificateError: the file cannot be read, or holds none.
    """
    _read_pem(key, file, "CERTIFICATE")
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise CertificateError(key, f"{file} holds a certificate that cannot be read") from None


def faults_of_own(own: Certificate) -> Iterator[CertificateFault]:
    """What is wrong with a certificate and its key."""
    try:
        load_own(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), own)
    except CertificateError as error:
        yield error.fault


def faults_of_authorities(key: str, file: str | None) -> Iterator[CertificateFault]:
    """What is wrong with a file of authorities."""
    try:
        if file is not None:
            load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), key, file)
    except CertificateError as error:
        yield error.fault


def _read_pem(key: str, file: str, what: str) -> None:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(_MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise CertificateError(key, f"{file} cannot be read: {reason}") from None
    if f"{what}-----".encode() not in content:
        raise CertificateError(key, f"{file} holds no {what.lower()} in PEM form")
