"""Model servers as users write them, watched from inside; run as processes of their own.

`MONITOR_OPTIONS` (JSON) are the arguments; without it they are watched by nobody. `asgi` is a
FastAPI application, `wsgi` a Flask one; both answer the same to the same requests.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi import Request as AsyncRequest
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from flask import Flask, Response, request

from inferwatch.sdk import AsgiMiddleware, Monitor, WsgiMiddleware

PIECES = 2_000
PAUSE_S = 0.005

monitor = None
if "MONITOR_OPTIONS" in os.environ:
    monitor = Monitor(**json.loads(os.environ["MONITOR_OPTIONS"]))

asgi = FastAPI()
if monitor is not None:
    asgi.add_middleware(AsgiMiddleware, monitor=monitor)


def classify(body: Any) -> dict[str, Any]:
    """One class a row; a row of -1 is more than the model can bear."""
    if [-1] in body["instances"]:
        raise ArithmeticError("the model cannot")
    return {"predictions": [f"class {sum(row) % 3}" for row in body["instances"]]}


def told(body: Any) -> dict[str, Any]:
    """What a model's own code tells, under the process that served it."""
    label_id = None
    if monitor is not None:
        features = {"n": body["n"]}
        label_id = monitor.log(features=features, prediction=body["n"] % 2, id=body["id"])
        monitor.label(body["id"], body["n"] % 2)
    return {"id": label_id or body["id"]}


def event(number: int) -> bytes:
    """One piece of a stream of tokens."""
    choice = {"index": 0, "delta": {"content": f"word {number} " + "x" * 1_000}}
    return b"data: " + json.dumps({"model": "llm", "choices": [choice]}).encode() + b"\n\n"


@asgi.post("/v1/models/{name}:predict")
async def predict(name: str, received: AsyncRequest) -> JSONResponse:
    return JSONResponse(classify(await received.json()))


@asgi.post("/told")
async def tell(received: AsyncRequest) -> JSONResponse:
    return JSONResponse(told(await received.json()))


@asgi.post("/v1/chat/completions")
async def chat(received: AsyncRequest) -> StreamingResponse:
    count = (await received.json()).get("n", PIECES)

    async def words() -> AsyncIterator[bytes]:
        for number in range(count):
            yield event(number)
            await asyncio.sleep(PAUSE_S)

    return StreamingResponse(words(), media_type="text/event-stream")


@asgi.get("/metrics")
async def metrics() -> PlainTextResponse:
    return PlainTextResponse("" if monitor is None else monitor.metrics())


wsgi = Flask(__name__)
if monitor is not None:
    wsgi.wsgi_app = WsgiMiddleware(wsgi.wsgi_app, monitor=monitor)  # type: ignore[method-assign]


@wsgi.post("/v1/models/<name>:predict")
def predict_synchronously(name: str) -> Response:
    return compact(classify(request.get_json()))


@wsgi.post("/told")
def tell_synchronously() -> Response:
    return compact(told(request.get_json()))


@wsgi.post("/v1/chat/completions")
def chat_synchronously() -> Response:
    count = request.get_json().get("n", PIECES)

    def words() -> Iterator[bytes]:
        for number in range(count):
            yield event(number)
            time.sleep(PAUSE_S)

    return Response(words(), mimetype="text/event-stream")


@wsgi.get("/metrics")
def metrics_synchronously() -> str:
    return "" if monitor is None else monitor.metrics()


def compact(value: Any) -> Response:
    """JSON as FastAPI writes it."""
    return Response(json.dumps(value, separators=(",", ":")), mimetype="application/json")
