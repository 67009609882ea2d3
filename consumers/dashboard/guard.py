"""What every answer and every request has to pass: headers, host, token.

Without a token the server trusts whoever reaches it on loopback, so a web page that makes its own
name point here (DNS rebinding) must be told apart: by the Host it asks for. With a token the
session belongs to the name that it was opened under, and any name will do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from redis.exceptions import RedisError

from consumers.dashboard.access import Access, is_loopback
from consumers.dashboard.pages import login_page
from inferwatch.errors import StateFormatError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: a form would then be sent with `Origin: null`, and the login be refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_OPEN = ("/healthz", "/readyz", "/login")


def secure_headers() -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal that puts the security headers on every answer, streams and errors too."""

    async def put(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-store")
        response.headers.pop("Server", None)

    return put


def host_check(access: Access) -> Middleware:
    """Refuse a Host that is not this machine, as long as no token protects the data."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not access.needed and not is_loopback(_host_name(request.host)):
            return web.json_response(
                {"error": "open the dashboard as localhost or 127.0.0.1, or set dashboard.auth"},
                status=421,
            )
        return await handler(request)

    return check


def token_check(access: Access) -> Middleware:
    """Refuse a request for data without token or session; a browser is shown the login."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_open = request.path in _OPEN or request.path.startswith("/static/")
        if is_open or access.allows(request):
            return await handler(request)
        if request.path == "/":
            return login_page(status=401)
        return web.json_response(
            {"error": "a token is needed: Authorization: Bearer TOKEN (dashboard.auth.token)"},
            status=401,
            headers={"WWW-Authenticate": "Bearer"},
        )

    return check


@web.middleware
async def redis_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Redis that does not answer is a 503 which says so, not a traceback."""
    try:
        return await handler(request)
    except (RedisError, StateFormatError) as error:
        message = f"Redis cannot be read just now: {error}"
        return web.json_response({"error": message}, status=503)


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host
