"""The TLS contexts of the sidecar: one that clients meet, and those that meet the model server.

What both sides of a splice speak inside of TLS must be the same, because bytes pass unchanged. A
client that knows both gets HTTP/1.1; one that wants HTTP/2 (gRPC) gets it, and only then it is
what the model server is asked for.
"""

from __future__ import annotations

import ssl
from typing import Any

from inferwatch.certificates import load_authorities, load_own
from inferwatch.settings.tls import ListenerTlsSettings, UpstreamTlsSettings

HTTP1, HTTP2 = "http/1.1", "h2"
HANDSHAKE_S = 10.0


class ListenerTls:
    """The context of everybody who connects."""

    def __init__(self, settings: ListenerTlsSettings) -> None:
        """Read the files; raises CertificateError."""
        self._settings = settings
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.set_alpn_protocols([HTTP1, HTTP2])
        if settings.client_ca_file is not None:
            load_authorities(self.context, "client_ca_file", settings.client_ca_file)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.refresh()

    def refresh(self) -> None:
        """Read certificate and key again: new connections meet what the files hold now."""
        load_own(self.context, self._settings)


def listening_options(tls: ListenerTls | None) -> dict[str, Any]:
    """The arguments of asyncio's `create_server`."""
    return {} if tls is None else {"ssl": tls.context, "ssl_handshake_timeout": HANDSHAKE_S}


class UpstreamTls:
    """The contexts towards the model server, by what is spoken inside."""

    def __init__(self, settings: UpstreamTlsSettings | None) -> None:
        """Read the files; raises CertificateError."""
        self._settings = settings or UpstreamTlsSettings()
        self._http1 = _towards(self._settings, HTTP1)
        self._http2 = _towards(self._settings, HTTP2)

    def context(self, *, is_http2: bool) -> ssl.SSLContext:
        """The context of a new connection."""
        return self._http2 if is_http2 else self._http1

    def refresh(self) -> None:
        """Read certificate and key again."""
        for context in (self._http1, self._http2):
            load_own(context, self._settings)


def _towards(settings: UpstreamTlsSettings, protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols([protocol])
    context.check_hostname = settings.verify_hostname
    if settings.ca_file is None:
        context.load_default_certs()
    else:
        load_authorities(context, "ca_file", settings.ca_file)
    load_own(context, settings)
    return context
