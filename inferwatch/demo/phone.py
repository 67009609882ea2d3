"""The demo's on-call phone: a webhook receiver that checks each signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

MAX_BODY = 1024 * 1024


class Phone:
    """Takes signed notifications (Standard Webhooks) on a free loopback port."""

    def __init__(self, secret: str, on_alert: Callable[[dict[str, Any]], None]) -> None:
        """`on_alert` is called with each alert event of each message that is signed rightly."""
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(phone._take(self))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the terminal shows the page itself."""

        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._on_alert = on_alert
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where to send notifications."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/pages"

    def start(self) -> None:
        """Take calls."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more."""
        if self._thread.ident is not None:
            self._server.shutdown()
        self._server.server_close()

    def _take(self, request: BaseHTTPRequestHandler) -> int:
        length = int(request.headers.get("content-length") or 0)
        if not 0 < length <= MAX_BODY:
            return 413
        body = request.rfile.read(length)
        headers = request.headers
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        wanted = (
            "v1," + base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        )
        if not hmac.compare_digest(wanted, headers.get("webhook-signature") or ""):
            return 401
        for alert in orjson.loads(body)["alerts"]:
            self._on_alert(alert["event"])
        return 204
