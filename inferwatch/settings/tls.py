"""TLS of the sidecar: its own certificate, and how it knows the model server and is known by it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import model_validator

from inferwatch.settings.section import Remark, Section, SectionError
from inferwatch.settings.types import Bool, Secret, Text


class ListenerTlsSettings(Section):
    """The certificate that clients of the sidecar see."""

    cert_file: Text
    """PEM file of the certificate, followed by those between it and its authority."""
    key_file: Text
    """PEM file of its private key."""
    key_password: Secret | None = None
    """The password of the private key."""
    client_ca_file: Text | None = None
    """PEM file of the authorities whose clients are let in; without it all are."""

    def faults(self) -> Iterator[Remark]:
        """What is wrong with the files."""
        from inferwatch.certificates import faults_of_authorities, faults_of_own  # imports ssl

        for fault in faults_of_own(self):
            yield Remark((fault.key,), fault.text)
        for fault in faults_of_authorities("client_ca_file", self.client_ca_file):
            yield Remark((fault.key,), fault.text)


class UpstreamTlsSettings(Section):
    """How the model server is known, and what it is shown."""

    ca_file: Text | None = None
    """PEM file of the authority that signed the model server's certificate; the system's by
    default."""
    cert_file: Text | None = None
    """PEM file of the certificate that the model server is shown."""
    key_file: Text | None = None
    """PEM file of its private key."""
    key_password: Secret | None = None
    """The password of the private key."""
    verify_hostname: Bool = True
    """Whether the model server's certificate must be for the host of `upstream`."""

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> UpstreamTlsSettings:
        if (self.cert_file is None) != (self.key_file is None):
            there, missing = ("cert_file", "key_file")
            if self.cert_file is None:
                there, missing = missing, there
            text = f"`{missing}` is missing beside it; a certificate and its key go together"
            raise SectionError(Remark((there,), text))
        return self

    def faults(self) -> Iterator[Remark]:
        """What is wrong with the files."""
        from inferwatch.certificates import faults_of_authorities, faults_of_own  # imports ssl

        for fault in faults_of_own(self):
            yield Remark((fault.key,), fault.text)
        for fault in faults_of_authorities("ca_file", self.ca_file):
            yield Remark((fault.key,), fault.text)
