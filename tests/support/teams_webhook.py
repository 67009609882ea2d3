"""A webhook of Microsoft Teams as Microsoft's pages have it: a workflow's, or a connector's.

A workflow takes Adaptive Cards and answers 202 without a body. A connector takes MessageCards and
answers 200 with `1`; what Teams itself refuses is an HTTP 200 with a sentence. 28 KB are the limit.
"""

import json

from http_receiver import Answer, HttpReceiver, Post

LIMIT_BYTES = 28 * 1024


class TeamsWebhook(HttpReceiver):
    """Keeps the cards that it took; `refuses` is the status that Teams gives the connector."""

    def __init__(self, kind: str) -> None:
        super().__init__(lambda n: self._answer_to(self.posts[n - 1]))
        self.kind = kind
        self.cards: list[dict] = []
        self.refuses: int | None = None

    def _answer_to(self, post: Post) -> Answer:
        if not post.headers["content-type"].startswith("application/json"):
            return Answer(400, body=b"Bad payload received by generic incoming webhook.")
        body = json.loads(post.body)
        if len(post.body) > LIMIT_BYTES:
            return self._refusal(413)
        if self.refuses is not None:
            return self._refusal(self.refuses)
        wrong = _wrong_adaptive(body) if self.kind == "workflow" else _wrong_message_card(body)
        if wrong:
            return Answer(400, body=wrong.encode())
        self.cards.append(body)
        return Answer(202, body=b"") if self.kind == "workflow" else Answer(200, body=b"1")

    def _refusal(self, status: int) -> Answer:
        if self.kind == "workflow":
            return Answer(status)
        said = (
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP "
            f"error {status} with ContextId tcid=0,server=x."
        )
        return Answer(200, body=said.encode())


def _wrong_message_card(body: dict) -> str | None:
    if body.get("@type") != "MessageCard" or "schema.org/extensions" not in body["@context"]:
        return "Invalid MessageCard"
    if not body.get("summary") and not body.get("text"):
        return "Summary or Text is required."
    return None


def _wrong_adaptive(body: dict) -> str | None:
    if body.get("type") != "message" or len(body.get("attachments", [])) != 1:
        return "Property 'attachments' is missing"
    attachment = body["attachments"][0]
    if attachment.get("contentType") != "application/vnd.microsoft.card.adaptive":
        return "Property 'contentType' is wrong"
    card = attachment["content"]
    if card.get("type") != "AdaptiveCard" or card.get("version") not in ("1.2", "1.3", "1.4"):
        return "AdaptiveCard"
    for block in card["body"]:
        if block.get("type") != "TextBlock" or not block.get("text"):
            return "TextBlock"
        if block.get("color", "Default") not in ("Default", "Good", "Warning", "Attention"):
            return "color"
    for action in card.get("actions", []):
        if action.get("type") != "Action.OpenUrl" or not action.get("url"):
            return "Action.OpenUrl"
    return None
