"""Middleware for WSGI servers: Flask, Django, Bottle, behind gunicorn, waitress, mod_wsgi.

What the application reads and answers passes unchanged, piece by piece; a list of pieces stays the
list that it was, so that servers still count its length. A bounded copy is read off the path, by
the sidecar's protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from producers.sdk.asgi import monitor_of
from producers.sdk.followed import Followed, target_of
from producers.sdk.monitor import Monitor
from producers.sidecar.exchange import Headers

Environ = dict[str, Any]
WSGIApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class WsgiMiddleware:
    """`app.wsgi_app = WsgiMiddleware(app.wsgi_app, model="fraud", broker="localhost:9092")`.

    Events are the sidecar's for the same exchange: a failure of the application is one of status
    500; a client that goes away while an answer streams, one of 499.
    """

    def __init__(self, app: WSGIApp, monitor: Monitor | None = None, **options: Any) -> None:
        """Stand in front of an application.

        Args:
            app: the application.
            monitor: sends what is seen; without one it is made of the options.
            options: a `Monitor`'s arguments.

        Raises:
            ConfigError: an argument is wrong; each line names it and what is allowed.
            UsageError: there are a monitor and options.
        """
        self.app = app
        self.monitor = monitor_of(monitor, options)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass one request on."""
        followed = _begin(self.monitor, environ)
        if followed is None:
            return self.app(environ, start_response)
        try:
            answer = self.app(environ, _starting(followed, start_response))
        except BaseException:
            followed.application_ended()
            raise
        return _pass_on(followed, answer, environ.get("wsgi.file_wrapper"))


def _begin(monitor: Monitor, environ: Environ) -> Followed | None:
    try:
        target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
        if not target:
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            target = target_of(path.encode("latin-1"), environ.get("QUERY_STRING", ""))
        headers: Headers = [
            (key[5:].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1"))
            for key, value in environ.items()
            if key.startswith("HTTP_")
        ]
        for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if environ.get(key):
                name = key.replace("_", "-").lower().encode()
                headers.append((name, environ[key].encode("latin-1")))
        followed = Followed.begin(monitor, environ["REQUEST_METHOD"], target, headers)
        if followed is not None:
            environ["wsgi.input"] = _Input(followed, environ)
        return followed
    except Exception:
        monitor.count_trouble("middleware")
        return None


def _starting(followed: Followed, start_response: Callable[..., Any]) -> Callable[..., Any]:
    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], Any]:
        minted = followed.answers(status, headers)
        if minted is not None:
            headers = [*headers, ("X-Inference-Id", minted)]
        write = start_response(status, headers, *error)

        def write_on(piece: bytes) -> Any:
            followed.answered(piece, is_last=False)
            return write(piece)

        return write_on

    return start


def _pass_on(followed: Followed, answer: Iterable[bytes], file_wrapper: Any) -> Iterable[bytes]:
    """The answer itself where nothing is to be waited for, else one that is followed."""
    if isinstance(answer, (list, tuple)):
        for piece in answer:
            followed.answered(piece, is_last=False)
        followed.answered(b"", is_last=True)
        followed.passed()
        return answer
    if isinstance(file_wrapper, type) and isinstance(answer, file_wrapper):
        followed.answered_unseen()
        followed.passed()
        return answer
    return _Sized(followed, answer) if hasattr(answer, "__len__") else _Answer(followed, answer)


class _Input:
    """`wsgi.input`, of which a copy is kept of what the application reads."""

    def __init__(self, followed: Followed, environ: Environ) -> None:
        self._followed = followed
        self._stream = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH") or ""
        self._left = int(length) if length.isdecimal() else None
        if self._left == 0 or (self._left is None and not environ.get("wsgi.input_terminated")):
            followed.asked(b"", is_last=True)  # there is no body

    def read(self, *size: int) -> bytes:
        return self._seen(self._stream.read(*size), is_end_known=not size or size[0] != 0)

    def readline(self, *size: int) -> bytes:
        return self._seen(self._stream.readline(*size), is_end_known=not size or size[0] != 0)

    def readlines(self, *hint: int) -> list[bytes]:
        lines: list[bytes] = self._stream.readlines(*hint)
        for line in lines:
            self._seen(line, is_end_known=False)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            yield self._seen(line, is_end_known=False)

    def __getattr__(self, name: str) -> Any:
        """What a server's stream has beyond the standard; `readinto` is how Werkzeug reads."""
        found = getattr(self._stream, name)
        if name in ("readinto", "readinto1"):
            return lambda buffer: self._filled(buffer, found(buffer))
        if name == "read1":
            return lambda *size: self._seen(found(*size), is_end_known=not size or size[0] != 0)
        return found

    def _filled(self, buffer: Any, size: int | None) -> int | None:
        if size is not None:
            self._seen(bytes(memoryview(buffer)[:size]), is_end_known=len(buffer) > 0)
        return size

    def _seen(self, piece: bytes, *, is_end_known: bool) -> bytes:
        """Keep a copy; an empty piece is the end where some was asked for."""
        try:
            if self._left is not None:
                self._left -= len(piece)
            is_last = (not piece and is_end_known) or (self._left is not None and self._left <= 0)
            self._followed.asked(piece, is_last=is_last)
        except TypeError:  # a server that has no bytes yet, and says None
            self._followed.go_blind()
        return piece


class _Answer:
    """An answer that is made while it is sent."""

    def __init__(self, followed: Followed, answer: Iterable[bytes]) -> None:
        self._followed = followed
        self._answer = answer
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> _Answer:
        return self

    def __next__(self) -> bytes:
        try:
            if self._pieces is None:
                self._pieces = iter(self._answer)
            piece = next(self._pieces)
        except StopIteration:
            self._followed.answered(b"", is_last=True)
            self._followed.passed()
            raise
        except BaseException:
            self._followed.application_ended()
            raise
        self._followed.answered(piece, is_last=False)
        return piece

    def close(self) -> None:
        """The server does not go on; unless it came to the end, because the client went away."""
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._followed.client_gone()


class _Sized(_Answer):
    """One whose number of pieces is known."""

    def __len__(self) -> int:
        return len(self._answer)  # type: ignore[arg-type]
