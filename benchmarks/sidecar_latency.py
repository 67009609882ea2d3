"""What the sidecar adds to a request: beside no proxy at all, and beside an aiohttp proxy.

    python benchmarks/sidecar_latency.py [--rounds 5] [--requests 4000] [--rate 0]

One keep-alive connection, one request after the other; client, model server, proxy and an embedded
broker share the machine. Each round measures all three, so that the neighbours' load meets all of
them; the table shows the medians of the rounds. CPU is the whole proxy process's, with everything
it does off the request path (reading, batching, publishing), 1.5 s after the last answer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

VALUES = b",".join(b"%d.5" % n for n in range(20))
BODY = (
    b'{"id":"r","inputs":[{"name":"x","shape":[1,20],"datatype":"FP64","data":[' + VALUES + b"]}]}"
)
REQUEST = (
    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n"
    b"User-Agent: bench\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY
ANSWER_BODY = (
    b'{"model_name":"m","id":"r","outputs":[{"name":"predict","shape":[1],"datatype":"INT64",'
    b'"data":[1]},{"name":"predict_proba","shape":[1,2],"datatype":"FP64","data":[0.1,0.9]}]}'
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(ANSWER_BODY)
) + ANSWER_BODY


class ModelServer(asyncio.Protocol):
    """Answers at once, so that only what stands before it is measured."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while len(self.held) >= len(REQUEST) - 64 and BODY in self.held:
            self.held = self.held.partition(BODY)[2]
            self.transport.write(ANSWER)


async def serve_model() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(ModelServer, "127.0.0.1", 0)
    print(
        f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True
    )
    await server.serve_forever()


async def serve_aiohttp(upstream: str) -> None:
    """The usual reverse proxy: aiohttp's server and client."""
    from aiohttp import ClientSession, web

    async with ClientSession() as session:

        async def forward(request: web.Request) -> web.Response:
            headers = {k: v for k, v in request.headers.items() if k.lower() != "host"}
            async with session.request(
                request.method,
                upstream + request.path_qs,
                headers=headers,
                data=await request.read(),
            ) as answer:
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.content_type,
                )

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)
        await asyncio.Event().wait()


def start(stack: ExitStack, *args: str) -> tuple[int, int]:
    """Start a Python process that says where it listens; its process number and port."""
    process = subprocess.Popen([sys.executable, *args], stderr=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
            return process.pid, int(found[1])
    raise SystemExit(f"{args} did not start")


def start_broker(stack: ExitStack, folder: Path) -> str:
    address = folder / "broker"
    args = [sys.executable, "-m", "inferwatch.embedded.broker", "--address-file", str(address)]
    process = subprocess.Popen(args)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    deadline = time.monotonic() + 20
    while not address.exists() or not address.read_text().strip():
        if time.monotonic() > deadline:
            raise SystemExit("the embedded broker did not start")
        time.sleep(0.05)
    return address.read_text().strip()


def cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def measure(port: int, requests: int, rate: float) -> tuple[float, float]:
    """Microseconds at p50 and p99; `rate` requests a second, 0 for as fast as it goes."""
    times = []
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = time.perf_counter()
        for number in range(requests + 200):
            if rate:
                due += 1 / rate
                time.sleep(max(0.0, due - time.perf_counter()))
            started = time.perf_counter()
            client.sendall(REQUEST)
            answer = b""
            while not answer.endswith(ANSWER_BODY[-20:]):
                answer += client.recv(65_536)
            if number >= 200:
                times.append((time.perf_counter() - started) * 1e6)
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def run(rounds: int, requests: int, rate: float) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, direct = start(stack, __file__, "--serve-model")
        upstream = f"http://127.0.0.1:{direct}"
        config = folder / "config.yaml"
        broker = start_broker(stack, folder)
        config.write_text(f'broker: {{url: "kafka://{broker}", api_version: "2.3"}}\n')
        sidecar = ["-m", "inferwatch", "sidecar", "-c", str(config), "--upstream", upstream]
        sidecar += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        subjects: dict[str, tuple[int | None, int]] = {
            "direct": (None, direct),
            "inferwatch sidecar": start(stack, *sidecar),
            "aiohttp proxy": start(stack, __file__, "--serve-aiohttp", upstream),
        }
        idle = {n: resident_mb(pid) for n, (pid, _) in subjects.items() if pid is not None}
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in subjects}
        for _ in range(rounds):
            for name, (pid, port) in subjects.items():
                before = cpu_s(pid) if pid is not None else 0.0
                p50, p99 = measure(port, requests, rate)
                time.sleep(1.5)
                used = cpu_s(pid) - before if pid is not None else 0.0
                found[name].append((p50, p99, used / (requests + 200) * 1e6))
        show(found, idle)


def show(found: dict[str, list[tuple[float, float, float]]], idle: dict[str, float]) -> None:
    def median(name: str, which: Callable[[tuple[float, float, float]], float]) -> float:
        return statistics.median(map(which, found[name]))

    print(f"load of the machine {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; µs, medians")
    print(f"{'':20} {'p50':>7} {'added':>7} {'p99':>7} {'added':>7} {'CPU':>7} {'idle MB':>8}")
    base50, base99 = (median("direct", lambda r, i=i: r[i]) for i in (0, 1))
    for name in found:
        p50, p99, cpu = (median(name, lambda r, i=i: r[i]) for i in (0, 1, 2))
        print(
            f"{name:20} {p50:7.0f} {p50 - base50:7.0f} {p99:7.0f} {p99 - base99:7.0f} {cpu:7.0f} "
            f"{idle.get(name, 0):8.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--serve-model", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve-aiohttp", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve_model:
        import uvloop

        uvloop.run(serve_model())
    elif args.serve_aiohttp:
        asyncio.run(serve_aiohttp(args.serve_aiohttp))
    else:
        run(args.rounds, args.requests, args.rate)


if __name__ == "__main__":
    main()
