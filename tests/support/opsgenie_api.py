"""Opsgenie's alert API as its documentation has it: statuses, required fields, lengths.

https://docs.opsgenie.com/docs/alert-api and https://docs.opsgenie.com/docs/response
"""

import json
from urllib.parse import parse_qs, unquote, urlsplit

from http_receiver import Answer, HttpReceiver, Post

KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
LENGTHS = {"message": 130, "alias": 512, "description": 15_000, "source": 100, "entity": 512}
FIELDS = {*LENGTHS, "responders", "tags", "details", "priority", "note", "user", "actions"}


class OpsgenieApi(HttpReceiver):
    """Keeps alerts by alias: `status`, `count` and the request that opened them."""

    def __init__(self) -> None:
        super().__init__(lambda n: self._answer_to(self.posts[n - 1]))
        self.alerts: dict[str, dict] = {}
        self.busy_s: int | None = None

    @property
    def url(self) -> str:
        return super().url.removesuffix("hook")

    def _answer_to(self, post: Post) -> Answer:
        if self.busy_s is not None:
            limits = {"x-ratelimit-state": "THROTTLED", "x-ratelimit-reason": "ACCOUNT"}
            return _json(
                429,
                {"message": "You are making too many requests!"},
                limits | {"x-ratelimit-period-in-sec": str(self.busy_s)},
            )
        if post.headers.get("authorization") != f"GenieKey {KEY}":
            return _json(401, {"message": "Could not authenticate"})
        try:
            body = json.loads(post.body)
        except ValueError:
            return _json(400, {"message": "Request body is not processable"})
        parts = urlsplit(post.path)
        if parts.path == "/v2/alerts":
            return self._create(body)
        steps = parts.path.split("/")
        if parts.path.startswith("/v2/alerts/") and steps[-1] == "close" and len(steps) == 5:
            if parse_qs(parts.query).get("identifierType") != ["alias"]:
                # Without it the identifier is read as an id, which this is not.
                return _json(422, {"message": "Identifier type is invalid"})
            if set(body) - {"source", "note", "user"}:
                return _json(422, {"message": "Unknown field"})
            found = self.alerts.get(unquote(steps[3]))
            if found:
                found["status"] = "closed"
            return _json(202, {"result": "Request will be processed", "requestId": "r"})
        return _json(404, {"message": "No handler"})

    def _create(self, body: dict) -> Answer:
        wrong = list(_wrong(body))
        if wrong:
            return _json(422, {"message": "Request body is not processable", "errors": wrong})
        alias = body.get("alias") or body["message"]
        known = self.alerts.get(alias)
        if known and known["status"] == "open":
            known["count"] += 1
        else:
            self.alerts[alias] = {"status": "open", "count": 1, "request": body}
        return _json(202, {"result": "Request will be processed", "requestId": "r"})


def _wrong(body: dict):
    if not body.get("message"):
        yield "message: can not be empty"
    for name, most in LENGTHS.items():
        value = body.get(name, "")
        if not isinstance(value, str) or len(value) > most:
            yield f"{name}: a text of at most {most} characters"
    yield from (f"{name}: unknown" for name in set(body) - FIELDS)
    if body.get("priority", "P3") not in ("P1", "P2", "P3", "P4", "P5"):
        yield "priority: P1 to P5"
    tags = body.get("tags", [])
    if len(tags) > 20 or any(len(tag) > 50 for tag in tags):
        yield "tags: at most 20 of 50 characters"
    details = body.get("details", {})
    if any(not isinstance(v, str) for v in details.values()):
        yield "details: texts"
    if sum(len(k) + len(v) for k, v in details.items()) > 8_000:
        yield "details: 8000 characters"
    for responder in body.get("responders", []):
        kinds = {"user": {"id", "username"}}.get(responder.get("type"), {"id", "name"})
        if responder.get("type") not in ("team", "user", "escalation", "schedule"):
            yield "responders: type"
        if not kinds & set(responder):
            yield "responders: name"


def _json(status: int, body: dict, headers: dict[str, str] | None = None) -> Answer:
    sent = {"content-type": "application/json", **(headers or {})}
    return Answer(status, sent, json.dumps({"took": 0.1, **body}).encode())
