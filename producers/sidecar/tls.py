"""The TLS contexts of the sidecar: one that clients meet, and those that meet the model server.

What both sides of a splice speak inside of TLS must be the same, because bytes pass unchanged. A
client that knows both gets HTTP/1.1; one that wants HTTP/2 (gRPC) gets it, and only then it is
what the model server is asked for.
"""

from __future__ import annotations

import ssl
from typing import Any, TypeVar

from inferwatch.certificates import load_authorities, load_own
from inferwatch.settings.tls import ListenerTlsSettings, UpstreamTlsSettings

HTTP1, HTTP2 = "http/1.1", "h2"
HANDSHAKE_S = 10.0

_Tls = TypeVar("_Tls", ListenerTlsSettings, UpstreamTlsSettings)


class ListenerTls:
    """The context of everybody who connects.

    A context whose renewal fails halfway would have a certificate and no key, and refuse everybody;
    so `refresh` builds another one, and each handshake is handed the last that is whole.
    """

    def __init__(self, settings: ListenerTlsSettings) -> None:
        """Read the files; raises CertificateError."""
        self._settings = settings
        self.context = self._current = _for_clients(settings)
        # Called in every handshake, also where the client names no server.
        self.context.sni_callback = self._hand_over

    def refresh(self, settings: ListenerTlsSettings | None = None) -> None:
        """Read all files again, from any thread: new connections meet what they hold now.

        Args:
            settings: as the config is now; only its password is taken, None for the old one.

        Raises:
            CertificateError: a file cannot be used; what was in use stays.
        """
        self._current = _for_clients(_with_password(self._settings, settings))

    def _hand_over(self, connection: Any, _server_name: str | None, _first: Any) -> None:
        connection.context = self._current


def listening_options(tls: ListenerTls | None) -> dict[str, Any]:
    """The arguments of asyncio's `create_server`."""
    return {} if tls is None else {"ssl": tls.context, "ssl_handshake_timeout": HANDSHAKE_S}


class UpstreamTls:
    """The contexts towards the model server, by what is spoken inside."""

    def __init__(self, settings: UpstreamTlsSettings | None) -> None:
        """Read the files; raises CertificateError."""
        self._settings = settings or UpstreamTlsSettings()
        self._contexts = _towards_server(self._settings)

    def context(self, *, is_http2: bool) -> ssl.SSLContext:
        """The context of a new connection."""
        return self._contexts[is_http2]

    def refresh(self, settings: UpstreamTlsSettings | None = None) -> None:
        """Read all files again, as a listener's `refresh` does."""
        self._contexts = _towards_server(_with_password(self._settings, settings))


def _with_password(running: _Tls, wanted: _Tls | None) -> _Tls:
    """The files of the start: they are renewed in place, their key perhaps under a new password."""
    if wanted is None:
        return running
    return running.model_copy(update={"key_password": wanted.key_password})


def _for_clients(settings: ListenerTlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols([HTTP1, HTTP2])
    if settings.client_ca_file is not None:
        load_authorities(context, "client_ca_file", settings.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    load_own(context, settings)
    return context


def _towards_server(settings: UpstreamTlsSettings) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """By whether HTTP/2 is spoken inside."""
    return _towards(settings, HTTP1), _towards(settings, HTTP2)


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
