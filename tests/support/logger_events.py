"""What KServe's agent and Seldon's request logger send, by HTTP, in their own words."""

from __future__ import annotations

import base64
import http.client
import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[1] / "events_of_loggers"

KSERVE = "org.kubeflow.serving.inference."
SELDON = "io.seldon.serving.inference."


def kserve(kind: str, body: Any, event_id: str = "id-1", **attributes: str) -> dict[str, Any]:
    """The headers and the body of an event as KServe's agent sends it, in binary mode."""
    told = {
        "specversion": "1.0",
        "id": event_id,
        "type": KSERVE + kind,
        "source": "http://localhost:9081/",
        "inferenceservicename": "iris",
        "namespace": "prod",
        "component": "predictor",
        "endpoint": "default",
        **attributes,
    }
    return {"attributes": told, "data": body}


def seldon(kind: str, body: Any, request_id: str = "puid-1", **attributes: str) -> dict[str, Any]:
    """The same of Seldon's request logger: each half has an id of its own."""
    told = {
        "specversion": "1.0",
        "id": f"{kind}-of-{request_id}",
        "requestid": request_id,
        "type": "io.seldon.serving.feedback" if kind == "feedback" else SELDON + kind,
        "source": "http://:8000/",
        "modelid": "classifier",
        "inferenceservicename": "iris",
        "namespace": "ns1",
        "endpoint": "default",
        **attributes,
    }
    return {"attributes": told, "data": body}


def send(
    address: tuple[str, int],
    event: dict[str, Any],
    mode: str = "binary",
    path: str = "/",
    **headers: str,
) -> int:
    """Send one event; the status of the answer, whose body must be empty when it was taken."""
    data = event["data"]
    payload = data if isinstance(data, bytes) else json.dumps(data).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if mode == "binary":
        sent |= {f"Ce-{k.title()}": v for k, v in event["attributes"].items()}
        sent = {"Content-Type": "application/json", **sent}
        body = payload
    else:
        told = {**event["attributes"], "datacontenttype": "application/json"}
        if mode == "base64":
            told["data_base64"] = base64.b64encode(payload).decode()
        else:
            told["data"] = json.loads(payload)
        kind = "-batch" if mode == "batch" else ""
        sent["Content-Type"] = f"application/cloudevents{kind}+json; charset=utf-8"
        body = json.dumps([told] if mode == "batch" else told).encode()
    status, answer = post(address, path, body, sent)
    assert status != 200 or answer == b""
    return status


def post(
    address: tuple[str, int], path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Status and body of the answer."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
