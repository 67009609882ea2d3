"""Slack's Web API as its documentation has it: chat.postMessage and chat.update.

https://docs.slack.dev/reference/methods/chat.postMessage and .../chat.update
"""

import json

from http_receiver import Answer, HttpReceiver, Post

TOKEN = "xoxb-1-2-abc"
CHANNEL = "C0123456789"


class SlackApi(HttpReceiver):
    """Keeps messages by `ts`; `fails` is what the next calls say instead of working."""

    def __init__(self) -> None:
        super().__init__(lambda n: self._answer_to(self.posts[n - 1]))
        self.messages: dict[str, dict] = {}
        self.fails: list[Answer | str] = []

    @property
    def url(self) -> str:
        return super().url.replace("/hook", "/api")

    @property
    def channel(self) -> list[dict]:
        """What people see in the channel."""
        return [m for m in self.messages.values() if "thread_ts" not in m]

    def thread(self, ts: str) -> list[dict]:
        return [m for m in self.messages.values() if m.get("thread_ts") == ts]

    def _answer_to(self, post: Post) -> Answer:
        if self.fails:
            failure = self.fails.pop(0)
            return failure if isinstance(failure, Answer) else _said(failure)
        if post.headers.get("authorization") != f"Bearer {TOKEN}":
            return _said("invalid_auth")
        if not post.headers["content-type"].startswith("application/json"):
            return _said("invalid_post_type")
        body = json.loads(post.body)
        if not body.get("text") and not body.get("attachments"):
            return _said("no_text")
        if len(body.get("text", "")) > 40_000:
            return _said("msg_too_long")
        if len(body.get("attachments", [])) > 100:
            return _said("too_many_attachments")
        if post.path == "/api/chat.postMessage":
            return self._post(body)
        if post.path == "/api/chat.update":
            return self._update(body)
        return _said("unknown_method")

    def _post(self, body: dict) -> Answer:
        if body.get("channel") not in ("#alerts", CHANNEL):
            return _said("channel_not_found")
        metadata = body.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            return _said("invalid_metadata_format")
        if "thread_ts" in body and body["thread_ts"] not in self.messages:
            return _said("thread_not_found")
        ts = f"1764000000.{len(self.messages) + 1:06}"
        self.messages[ts] = body
        return _said(None, channel=CHANNEL, ts=ts, message={"text": body["text"]})

    def _update(self, body: dict) -> Answer:
        # The id of a channel is wanted here, not its name.
        if body.get("channel") != CHANNEL:
            return _said("channel_not_found")
        if body.get("ts") not in self.messages:
            return _said("message_not_found")
        if "username" in body:
            return _said("invalid_arguments")
        self.messages[body["ts"]] |= {k: body[k] for k in ("text", "attachments") if k in body}
        return _said(None, channel=CHANNEL, ts=body["ts"], text=body["text"])


def _said(error: str | None, **more) -> Answer:
    body = {"ok": error is None, **({"error": error} if error else {}), **more}
    return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())
