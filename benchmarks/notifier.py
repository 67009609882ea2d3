"""How fast do alerts reach a receiver, and how late?

    python -m benchmarks.notifier [--transitions 10000] [--seconds 15]

`inferwatch notify` on a real Kafka and Redis, with a webhook as receiver that answers at once. Each
incident fires and resolves. Two routes:

- grouped: by model, 20 of them, `group_wait` and `group_interval` of 1 s. All transitions are
  published at once, and then at a steady 1,000 a second. A begin whose end comes in the same group
  wait is told to nobody, so that each incident's end is published once its begin was delivered.
- each: `group_by: ["..."]`, `group_wait: 0s`, one message a transition, published at once, and then
  at steady rates, from published to delivered.

Before a figure is printed the receiver's log is checked: every transition is there, an incident's
begin before its end, and whatever came twice came under one id. CPU seconds are the notifier's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from alert_story import alert_event
from kafka import KafkaProducer
from kafka_server import KafkaServer

from inferwatch.embedded.redis import EmbeddedRedis

MODELS = 20
GROUPED = {"group_by": ["model"], "group_wait": "1s", "group_interval": "1s"}
EACH = {"group_by": ["..."], "group_wait": "0s"}
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
PATIENCE_S = 300.0


class Receiver(threading.Thread):
    """A webhook that answers at once; `got` holds when each body came, and the body."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.got: list[tuple[float, bytes]] = []
        self.port = 0
        self.ready = threading.Event()

    def run(self) -> None:
        """Serve until the process ends."""
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.got.append((time.time(), body))
            writer.write(ANSWER)


class Alerts:
    """Publishes transitions, each with the time at which it was handed to Kafka."""

    def __init__(self, broker: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=2)
        self.published: dict[str, float] = {}

    def publish(self, incident: str, status: str) -> None:
        """One transition; it is on its way when this returns."""
        model = f"m{int(incident[1:]) % MODELS}"
        event = alert_event(incident, status, label_model=model, label_alertname=incident)
        # As the rim of a worker does it: now, and not the time of a story.
        event |= {"starts_at": int(time.time() * 1000)}
        self.published[f"{incident}/{status}"] = time.time()
        self._producer.send(
            "monitoring.alerts", orjson.dumps(event), key=event["fingerprint"].encode()
        )

    def flush(self) -> None:
        """Wait until Kafka has all of it."""
        self._producer.flush()


def delivered(receiver: Receiver) -> dict[str, float]:
    """When each transition came first; checks order and ids on the way."""
    times: dict[str, float] = {}
    ids: dict[str, set[str]] = defaultdict(set)
    for at, body in list(receiver.got):
        message = orjson.loads(body)
        for alert in message["alerts"]:
            name = f"{alert['incident']}/{alert['event']['status']}"
            if name not in times:
                ended = f"{alert['incident']}/resolved" in times
                assert name.endswith("/resolved") or not ended, f"{name} came after its end"
                times[name] = at
            if len(message["alerts"]) == 1:
                ids[name].add(message["id"])
    assert all(len(found) == 1 for found in ids.values()), "one transition, two ids"
    return times


def wait_for(receiver: Receiver, wanted: set[str]) -> dict[str, float]:
    """Until all of them came."""
    until = time.monotonic() + PATIENCE_S
    seen = -1
    while time.monotonic() < until:
        if len(receiver.got) != seen:
            seen = len(receiver.got)
            times = delivered(receiver)
            if wanted <= times.keys():
                assert times.keys() == wanted, sorted(times.keys() - wanted)[:5]
                return times
        time.sleep(0.05)
    raise SystemExit(f"{len(wanted - delivered(receiver).keys())} transitions never came")


def cpu_of(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Run:
    """One notifier on a Kafka, Redis and receiver of its own."""

    def __init__(self, folder: Path, route: dict[str, Any]) -> None:
        self._folder, self._route = folder, route

    def __enter__(self) -> Run:
        self.receiver = Receiver()
        self.receiver.start()
        self.receiver.ready.wait()
        self._kafka = KafkaServer(self._folder / "kafka").start()
        self._redis = EmbeddedRedis(self._folder / "redis")
        self._redis.__enter__()
        url = f"http://127.0.0.1:{self.receiver.port}/"
        config = {
            "broker": {"url": f"kafka://{self._kafka.bootstrap}"},
            "redis": {"url": self._redis.url},
            "notify": {
                "route": {"receiver": "ops", **self._route},
                "receivers": [{"name": "ops", "webhook_configs": [{"url": url}]}],
            },
        }
        path = self._folder / "inferwatch.yaml"
        path.write_text(json.dumps(config))
        command = [sys.executable, "-m", "inferwatch"]
        subprocess.run(
            [*command, "topics", "create", "-c", str(path)], check=True, capture_output=True
        )
        log = self._folder / "notify.log"
        with log.open("w") as file:
            self.notifier = subprocess.Popen([*command, "notify", "-c", str(path)], stderr=file)
        while "reading alerts from" not in log.read_text():
            time.sleep(0.1)
        self.alerts = Alerts(self._kafka.bootstrap)
        return self

    def __exit__(self, *exc: object) -> None:
        self.notifier.terminate()
        self.notifier.wait()
        self._redis.__exit__(None, None, None)
        self._kafka.stop()

    def burst(self, what: str, transitions: int, first: int) -> None:
        """All at once: how many a second come through."""
        names = [f"i{first + n}" for n in range(transitions // 2)]
        began, before = time.time(), cpu_of(self.notifier.pid)
        for status in ("firing", "resolved"):
            for name in names:
                self.alerts.publish(name, status)
            self.alerts.flush()
            times = wait_for(self.receiver, set(self.alerts.published))
        wall = max(times[name] for name in times) - began
        spent = cpu_of(self.notifier.pid) - before
        print(
            f"{what:<34} {2 * len(names) / wall:>8,.0f} transitions a second "
            f"({2 * len(names):,} in {wall:.1f} s, {spent / len(names) / 2 * 1e6:,.0f} µs CPU each)"
        )

    def steady(self, what: str, rate: int, seconds: float, first: int) -> None:
        """At a rate, from published to delivered."""
        # Three seconds lie between begin and end, so that each is told by itself; of the first
        # three seconds there are begins only, and then as many ends as begins.
        due = sorted(
            (2 * n / rate + later, f"i{first + n}", status)
            for n in range(int(rate * seconds / 2))
            for status, later in (("firing", 0.0), ("resolved", 3.0))
        )
        began = time.time()
        for at, name, status in due:
            if (wait := began + at - time.time()) > 0:
                time.sleep(wait)
            self.alerts.publish(name, status)
        self.alerts.flush()
        behind = time.time() - began - due[-1][0]
        assert behind < 1.0, f"the publisher fell {behind:.1f} s behind"
        times = wait_for(self.receiver, set(self.alerts.published))
        late = [times[f"{i}/{s}"] - self.alerts.published[f"{i}/{s}"] for _, i, s in due]
        print(
            f"{what:<34} {rate:>8,} a second: p50 {quantile(late, 0.5):.3f} s, "
            f"p99 {quantile(late, 0.99):.3f} s, at most {max(late):.3f} s from published to "
            "delivered"
        )


def main() -> None:
    """Publish, check, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--transitions", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    for name, route, rates in (("grouped", GROUPED, (1_000,)), ("each", EACH, (50, 200))):
        with tempfile.TemporaryDirectory() as folder, Run(Path(folder), route) as run:
            run.steady(f"{name}, to warm up", 20, 2, 0)
            run.burst(f"{name}, all at once", options.transitions, 1_000)
            for n, rate in enumerate(rates):
                first = 1_000_000 * (n + 1)
                run.steady(f"{name}, steady", rate, options.seconds, first)


if __name__ == "__main__":
    main()
