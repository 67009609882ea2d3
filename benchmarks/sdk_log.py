"""What it costs to tell from inside of a process: `Monitor.log`, and the middleware a request.

    python benchmarks/sdk_log.py [--rounds 5] [--calls 20000]

Rows of 20 features with two scores, an id and a latency, to an embedded broker in a process of its
own. Beside it, in the same rounds: a JSON event a prediction by orjson and kafka-python, as one
would write it without an SDK. `caller` is the CPU of the thread that calls, `process` of all
threads until everything is sent, in µs a call; p99.9 and `slowest` are of the calls' duration, with
what else the interpreter does meanwhile (its cyclic collector, mostly).
For the middleware, a request of 20 features is played to an ASGI application without sockets;
`caller` is what the middleware adds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from kafka import KafkaProducer

from benchmarks.sidecar_latency import start_broker
from inferwatch.sdk import AsgiMiddleware, Monitor

FEATURES = {f"feature_{n}": n + 0.5 for n in range(20)}
SCORES = {"legit": 0.9, "fraud": 0.1}
BODY = orjson.dumps({"instances": [[n + 0.5 for n in range(20)]]})
ANSWER = b'{"predictions": ["legit"]}'
# So many calls a second, as a busy server makes them; as fast as it goes would fill the queue.
PAUSE_EVERY = 200
PAUSE_S = 0.02


class Cost(NamedTuple):
    """Of one round."""

    caller: float
    process: float
    p999: float
    slowest: float


def cost(call: Callable[[int], Any], finish: Callable[[], Any], calls: int) -> Cost:
    """What so many calls cost, all that they set going included."""
    process, caller, times = time.process_time(), 0.0, []
    for first in range(0, calls, PAUSE_EVERY):
        before = time.thread_time()
        for n in range(first, first + PAUSE_EVERY):
            started = time.perf_counter()
            call(n)
            times.append(time.perf_counter() - started)
        caller += time.thread_time() - before
        time.sleep(PAUSE_S)
    finish()
    process = time.process_time() - process
    times.sort()
    p999 = times[int(len(times) * 0.999)]
    return Cost(caller / calls * 1e6, process / calls * 1e6, p999 * 1e6, times[-1] * 1e3)


def by_monitor(monitor: Monitor) -> Callable[[int], Any]:
    return lambda n: monitor.log(
        features=FEATURES, prediction="legit", scores=SCORES, id=f"id-{n}", latency_ms=1.5
    )


def by_hand(producer: KafkaProducer) -> Callable[[int], Any]:
    def send(n: int) -> None:
        event = {
            "id": f"id-{n}",
            "model": "m",
            "ts": time.time_ns() // 1_000_000,
            "features": FEATURES,
            "prediction": "legit",
            "scores": SCORES,
        }
        producer.send("inference.predictions", orjson.dumps(event))

    return send


async def application(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def requests(app: Callable[..., Awaitable[None]]) -> Callable[[int], Any]:
    """Plays one request a call; its coroutine never waits, so it needs no loop."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/models/m:predict",
        "raw_path": b"/v1/models/m:predict",
        "query_string": b"",
        "headers": [(b"host", b"m"), (b"content-type", b"application/json")],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY}

    async def send(_message: Any) -> None:
        pass

    def play(_n: int) -> None:
        try:
            app(dict(scope), receive, send).send(None)  # type: ignore[attr-defined]
        except StopIteration:
            return
        raise AssertionError("it waited")

    return play


def run(rounds: int, calls: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = start_broker(stack, folder)
        broker = {"url": f"kafka://{address}", "api_version": "2.3"}
        monitor = Monitor(model="m", broker=broker)
        stack.callback(monitor.close)
        producer = KafkaProducer(
            bootstrap_servers=address, api_version=(2, 3), compression_type="lz4", linger_ms=50
        )
        stack.callback(producer.close)
        watched = AsgiMiddleware(application, monitor)
        subjects: dict[str, tuple[Callable[[int], Any], Callable[[], Any]]] = {
            "Monitor.log": (by_monitor(monitor), monitor.flush),
            "JSON by hand": (by_hand(producer), producer.flush),
            "ASGI, watched": (requests(watched), monitor.flush),
            "ASGI, not watched": (requests(application), lambda: None),
        }
        found: dict[str, list[Cost]] = {name: [] for name in subjects}
        for number in range(rounds + 1):
            for name, (call, finish) in subjects.items():
                round_cost = cost(call, finish, calls)
                if number:  # the first one warms up
                    found[name].append(round_cost)
        dropped = monitor.dropped
    print(f"load of the machine {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; medians")
    print(f"{'':18} {'caller µs':>10} {'process µs':>11} {'p99.9 µs':>9} {'slowest ms':>11}")
    middle = {
        name: Cost(*(statistics.median(c[i] for c in costs) for i in range(4)))
        for name, costs in found.items()
    }
    for name, one in middle.items():
        print(
            f"{name:18} {one.caller:10.1f} {one.process:11.1f} {one.p999:9.0f} {one.slowest:11.2f}"
        )
    added = middle["ASGI, watched"].caller - middle["ASGI, not watched"].caller
    print(f"the middleware adds {added:.1f} µs to the caller; {dropped} rows were dropped")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=20_000)
    args = parser.parse_args()
    run(args.rounds, args.calls)


if __name__ == "__main__":
    main()
