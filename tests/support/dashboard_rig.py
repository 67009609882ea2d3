"""A dashboard as a process of its own, on an embedded broker, with results published to it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import httpx
from confluent_kafka import Producer
from eventually import eventually

from inferwatch.embedded.broker import EmbeddedBroker
from inferwatch.events.alert import Alert
from inferwatch.events.json_codec import dumps, window_to_json
from inferwatch.events.window import WindowResult
from inferwatch.topics import ALERTS, WINDOWS


class Publisher:
    """Writes results and alerts as a worker does, under their keys."""

    def __init__(self, bootstrap: str, prefix: str = "") -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 2})
        self._prefix = prefix

    def windows(self, results: Iterable[WindowResult]) -> None:
        topic = WINDOWS.full_name(self._prefix)
        for r in results:
            key = f"{r.model}/{r.version}/{r.segment or ''}/{r.window}"
            self._producer.produce(topic, window_to_json(r), key)
            self._producer.poll(0)
        self._flush()

    def alerts(self, *alerts: Alert) -> None:
        for a in alerts:
            self._producer.produce(ALERTS.full_name(self._prefix), dumps(a), a.fingerprint)
        self._flush()

    def raw(self, topic: str, value: bytes) -> None:
        self._producer.produce(self._prefix + topic, value, b"k")
        self._flush()

    def _flush(self) -> None:
        assert self._producer.flush(10) == 0, "the broker did not take everything"


class DashboardRig:
    """Broker and dashboard process; Redis is given. `url` is the page."""

    def __init__(self, folder: Path, redis_url: str, prefix: str, *, token: str | None = None):
        self.folder = folder
        self.redis_url = redis_url
        self.prefix = prefix
        self.token = token
        self.broker = EmbeddedBroker()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._process: subprocess.Popen | None = None

    def start(self) -> Self:
        self.broker.start()
        self.publisher = Publisher(self.broker.bootstrap, self.prefix)
        self.start_dashboard()
        return self

    def start_dashboard(self) -> None:
        config = self.folder / "config.yaml"
        auth = f", auth: {{token: {self.token}}}" if self.token else ""
        config.write_text(
            f"broker: {{url: 'kafka://{self.broker.bootstrap}', api_version: '2.3'}}\n"
            f"redis: {{url: '{self.redis_url}'}}\n"
            f"topics: {{prefix: '{self.prefix}'}}\n"
            f"dashboard: {{listen: '127.0.0.1:{self.port}'{auth}}}\n"
        )
        self._log = (self.folder / "dashboard.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inferwatch", "dashboard", "-c", str(config)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        eventually(lambda: httpx.get(self.url + "healthz").status_code == 200)

    def stop_dashboard(self) -> float:
        """End it as an operator would; seconds that it took."""
        assert self._process is not None
        begin = time.monotonic()
        self._process.terminate()
        assert self._process.wait(10) == 0, self.log
        self._log.close()
        return time.monotonic() - begin

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop_dashboard()
        self.broker.stop()

    def get(self, path: str, **parameters: object) -> dict:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = httpx.get(self.url + "api/v1/" + path, params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "dashboard.log").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
