"""Who may look: a bearer token for programs, a session cookie for a browser.

A session is `<expires>.<HMAC of it under the token>`: nothing is kept on the server, the cookie
does not contain the token, and another token ends all sessions. Compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable

from aiohttp import web

COOKIE = "inferwatch_session"
SESSION_S = 7 * 86_400


class Access:
    """Decides whether a request may see data; without a token everybody may."""

    def __init__(self, token: str | None, clock: Callable[[], int]) -> None:
        """Use `token`; `clock` is wall time in milliseconds."""
        self._token = None if token is None else token.encode()
        self._clock = clock

    @property
    def needed(self) -> bool:
        """Whether there is a token at all."""
        return self._token is not None

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return self._token is not None and hmac.compare_digest(token.encode(), self._token)

    def allows(self, request: web.Request) -> bool:
        """Whether the request shows the token or a session that has not expired."""
        if self._token is None:
            return True
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.knows(token.strip())
        return self._session_holds(request.cookies.get(COOKIE, ""))

    def open_session(self, response: web.Response, *, secure: bool) -> None:
        """Give the browser its cookie: out of reach of scripts and of other sites."""
        expires = str(self._clock() // 1000 + SESSION_S)
        response.set_cookie(
            COOKIE,
            f"{expires}.{self._sign(expires)}",
            max_age=SESSION_S,
            httponly=True,
            samesite="Strict",
            secure=secure,
            path="/",
        )

    def _session_holds(self, cookie: str) -> bool:
        expires, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(expires).encode()):
            return False
        return expires.isascii() and expires.isdecimal() and int(expires) > self._clock() // 1000

    def _sign(self, expires: str) -> str:
        key = hashlib.sha256(b"inferwatch session " + (self._token or b"")).digest()
        return hmac.new(key, expires.encode(), "sha256").hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
