"""A receiver of HTTP posts on a free port, which answers as it is told to."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Post:
    """One request; the names of its headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the receiver says, and how long it waits before it does."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"secret words of the receiver"
    wait_s: float = 0.0


class HttpReceiver:
    """Use it as a context manager; `posts` are all requests so far, `answer` decides."""

    def __init__(self, answer: Callable[[int], Answer] = lambda n: Answer()) -> None:
        self.posts: list[Post] = []
        self.answer = answer
        self.over = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {k.lower(): v for k, v in self.headers.items()}
                owner.posts.append(Post(self.path, headers, body))
                said = owner.answer(len(owner.posts))
                if said.wait_s and owner.over.wait(said.wait_s):
                    self.close_connection = True
                    return
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                has_body = said.status not in (204, 304)
                self.send_header("content-length", str(len(said.body) if has_body else 0))
                self.end_headers()
                if has_body:
                    self.wfile.write(said.body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> "HttpReceiver":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
