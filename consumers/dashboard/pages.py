"""The page, its parts, and the login."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from consumers.dashboard.access import COOKIE, Access

STATIC = Path(__file__).parent / "static"
WRONG_TOKEN_WAIT_S = 0.5

_MESSAGE = b"<!-- message -->"


def login_page(*, status: int, message: str = "") -> web.Response:
    """The form that asks for the token; `message` is our own words."""
    page = (STATIC / "login.html").read_bytes().replace(_MESSAGE, message.encode())
    return web.Response(body=page, status=status, content_type="text/html", charset="utf-8")


class Pages:
    """Handlers of what a browser opens."""

    def __init__(self, access: Access) -> None:
        """Log in against `access`."""
        self._access = access

    def routes(self) -> list[web.AbstractRouteDef]:
        """The page, its files, login and logout."""
        return [
            web.get("/", self.index),
            web.get("/login", self.ask),
            web.post("/login", self.login),
            web.post("/logout", self.logout),
            web.static("/static", STATIC),
        ]

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page itself."""
        return web.FileResponse(STATIC / "index.html")

    async def ask(self, request: web.Request) -> web.Response:
        """The login form."""
        return login_page(status=200)

    async def login(self, request: web.Request) -> web.Response:
        """Open a session for the right token; a wrong one has to wait."""
        if not _same_origin(request):
            return web.json_response({"error": "log in from the dashboard's own page"}, status=403)
        form = await request.post()
        if not self._access.knows(str(form.get("token", ""))):
            await asyncio.sleep(WRONG_TOKEN_WAIT_S)
            return login_page(status=401, message="That is not the token.")
        response = web.Response(status=303, headers={"Location": "/"})
        self._access.open_session(response, secure=_is_https(request))
        return response

    async def logout(self, request: web.Request) -> web.Response:
        """End the session of this browser."""
        if not _same_origin(request):
            return web.json_response({"error": "log out from the dashboard's own page"}, status=403)
        response = web.Response(status=303, headers={"Location": "/login"})
        response.del_cookie(COOKIE, path="/")
        return response


def _same_origin(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _is_https(request: web.Request) -> bool:
    # Behind a proxy that ends TLS the browser still speaks https; a forged header only makes the
    # forger's own cookie stricter.
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
