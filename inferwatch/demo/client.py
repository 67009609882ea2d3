"""The demo's client, in its own process: sends real flights, and their truth once they landed.

    python -m inferwatch.demo.client --sidecar HOST:PORT --admin HOST:PORT --fault FILE

While FILE exists, an upstream change is at work: `dep_delay` comes in seconds instead of minutes.
The flights of February are sent in a shuffled order, so that a few seconds stand for a whole
month's mix of hours and airports; sending stops with the process.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import queue
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from inferwatch.demo.flights import Flight, flights_of
from inferwatch.demo.model import NAME

SEED = 2013
SENDERS = 3
LABELS_EVERY_S = 0.25
SECONDS_A_MINUTE = 60


def request_of(flight: Flight, identity: str, scale: float) -> bytes:
    """An Open Inference V2 request with one tensor a column; `scale` is the fault."""
    columns: list[tuple[str, str, Any]] = [
        ("dep_delay", "FP64", flight.dep_delay * scale),
        ("distance", "FP64", flight.distance),
        ("hour", "FP64", flight.hour),
        ("carrier", "BYTES", flight.carrier),
        ("origin", "BYTES", flight.origin),
    ]
    inputs = [{"name": n, "datatype": t, "shape": [1], "data": [v]} for n, t, v in columns]
    return orjson.dumps({"id": identity, "inputs": inputs})


def endless(flights: list[Flight]) -> Iterator[tuple[str, Flight]]:
    """The flights in a shuffled order, over and over, each time with ids of their own."""
    order = random.Random(SEED)
    for turn in itertools.count():
        for flight in order.sample(flights, len(flights)):
            yield f"{flight.id}-{turn}", flight


class Client:
    """Sends at a steady rate from a few threads; labels follow by another."""

    def __init__(
        self, sidecar: str, admin: str, *, rate: float, landing_s: float, fault: Path
    ) -> None:
        """Send `rate` requests a second; a flight's label follows `landing_s` later."""
        self._sidecar = sidecar
        self._admin = admin
        self._landing_s = landing_s
        self._fault = fault
        self._pause_s = SENDERS / rate
        self._flights = endless(flights_of(month=2))
        self._lock = threading.Lock()
        self._landed: queue.Queue[tuple[float, str, str]] = queue.Queue()

    def run(self) -> None:
        """Send until the process ends."""
        threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]
        threads.append(threading.Thread(target=self._label, daemon=True))
        for thread in threads:
            thread.start()
        print("sending", flush=True)
        for thread in threads:
            thread.join()

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self._sidecar, timeout=10)
        due = time.monotonic()
        while True:
            with self._lock:
                identity, flight = next(self._flights)
            scale = SECONDS_A_MINUTE if self._fault.exists() else 1
            body = request_of(flight, identity, scale)
            try:
                connection.request("POST", f"/v2/models/{NAME}/infer", body)
                with connection.getresponse() as response:
                    response.read()
                    answered = response.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                answered = False
            if answered:
                self._landed.put((time.monotonic() + self._landing_s, identity, flight.label))
            due += self._pause_s
            time.sleep(max(0.0, due - time.monotonic()))

    def _label(self) -> None:
        connection = http.client.HTTPConnection(self._admin, timeout=10)
        waiting: list[tuple[str, str]] = []
        while True:
            time.sleep(LABELS_EVERY_S)
            while not self._landed.empty() and self._landed.queue[0][0] <= time.monotonic():
                _, identity, label = self._landed.get()
                waiting.append((identity, label))
            if not waiting:
                continue
            ts = time.time_ns() // 1_000_000
            labels = [{"id": identity, "ts": ts, "label": label} for identity, label in waiting]
            try:
                connection.request(
                    "POST",
                    "/v1/labels",
                    orjson.dumps(labels),
                    {"content-type": "application/json"},
                )
                with connection.getresponse() as response:
                    response.read()
                    if response.status < 300:
                        waiting.clear()
            except (OSError, http.client.HTTPException):
                connection.close()


def main() -> None:
    """Send until the process ends."""
    parser = argparse.ArgumentParser(description="The demo's client.")
    parser.add_argument("--sidecar", required=True, metavar="HOST:PORT")
    parser.add_argument("--admin", required=True, metavar="HOST:PORT")
    parser.add_argument("--rate", type=float, default=150, help="requests a second")
    parser.add_argument("--landing", type=float, default=2.0, help="seconds until a label")
    parser.add_argument("--fault", type=Path, required=True, help="send seconds while it exists")
    arguments = parser.parse_args()
    Client(
        arguments.sidecar,
        arguments.admin,
        rate=arguments.rate,
        landing_s=arguments.landing,
        fault=arguments.fault,
    ).run()


if __name__ == "__main__":
    main()
