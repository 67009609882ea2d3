"""A model server that speaks the Open Inference Protocol V2 over HTTP, in its own process.

    python -m inferwatch.demo.model_server --port 8080 --reference reference.csv

It trains on the flights of January, writes its validation flights with its own predictions for
`inferwatch reference build`, and serves.
"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvicorn

from inferwatch.demo.flights import encode, flights_of, matrix, write_reference
from inferwatch.demo.model import CLASSES, NAME, VERSION, DelayModel, train_split

MAX_BODY = 1024 * 1024


class DelayServer:
    """An ASGI application with the three routes that a client of the protocol uses."""

    def __init__(self, model: DelayModel) -> None:
        """Serve this model."""
        self._model = model

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        route = (scope["method"], scope["path"])
        if route == ("GET", "/v2/health/ready"):
            await _answer(send, 200, {"ready": True})
        elif route == ("GET", f"/v2/models/{NAME}"):
            await _answer(send, 200, {"name": NAME, "versions": [VERSION], "platform": "sklearn"})
        elif route == ("POST", f"/v2/models/{NAME}/infer"):
            await self._infer(receive, send)
        else:
            await _answer(send, 404, {"error": f"no such route: {scope['path']}"})

    async def _infer(self, receive: Any, send: Any) -> None:
        body = await _body(receive)
        if body is None:
            await _answer(send, 413, {"error": f"a request is at most {MAX_BODY} bytes"})
            return
        try:
            request = orjson.loads(body)
            columns = {tensor["name"]: tensor["data"] for tensor in request["inputs"]}
            names = ("dep_delay", "distance", "hour", "carrier", "origin")
            rows = np.array(
                [encode(*row) for row in zip(*(columns[n] for n in names), strict=True)]
            )
        except (ValueError, KeyError, TypeError) as error:
            await _answer(send, 400, {"error": f"not understood: {error!r}"})
            return
        probabilities = self._model.probabilities(rows)
        best = probabilities.argmax(axis=1)
        answer = {
            "model_name": NAME,
            "model_version": VERSION,
            "id": request.get("id"),
            "outputs": [
                {
                    "name": "predict",
                    "datatype": "BYTES",
                    "shape": [len(rows)],
                    "data": [CLASSES[n] for n in best],
                },
                {
                    "name": "predict_proba",
                    "datatype": "FP64",
                    "shape": list(probabilities.shape),
                    "data": probabilities.ravel().tolist(),
                },
            ],
        }
        await _answer(send, 200, answer)


async def _body(receive: Any) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return body


async def _answer(send: Any, status: int, content: Any) -> None:
    body = orjson.dumps(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Train, write the reference data, serve."""
    parser = argparse.ArgumentParser(description="The demo's model server.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--reference", type=Path, help="where the validation rows are written")
    arguments = parser.parse_args()
    train, validation = train_split(flights_of(month=1))
    model = DelayModel(train)
    if arguments.reference is not None:
        probabilities = model.probabilities(matrix(validation))
        late = probabilities[:, CLASSES.index("late")]
        names = [CLASSES[n] for n in probabilities.argmax(axis=1)]
        write_reference(arguments.reference, zip(validation, names, late.tolist(), strict=True))
    listener = socket.create_server(("127.0.0.1", arguments.port))
    print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(DelayServer(model), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
