"""Slack as a bot: one message a group that shows how things stand, and what happened in its thread.

The first message is posted (chat.postMessage) and edited from then on (chat.update); each later one
is told in its thread too, and in the channel when something new fires. After all is over the next
alert begins a new message. Slack drops no repetition, so a message whose answer was lost may stand
there twice; `metadata` of both holds the same id.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from consumers.notifier.channels.http_post import Poster
from consumers.notifier.channels.interface import Permanent, Retryable, Sent
from consumers.notifier.channels.slack import ATTACHMENT_CHARACTERS, escape, slack_message
from consumers.notifier.notification import Notification, Posted
from consumers.notifier.page import cut, page_of
from consumers.notifier.reason import Reason
from inferwatch.settings.notify.channels import SlackSettings

API = "https://slack.com/api"
# Answers that mean the first message cannot be edited any more.
_GONE = frozenset(
    {"message_not_found", "thread_not_found", "edit_window_closed", "cant_update_message"}
)
_NEWS = (Reason.NEW_ALERTS, Reason.ESCALATED, Reason.INSTEAD)
_LATER = frozenset(
    {"ratelimited", "rate_limited", "fatal_error", "internal_error", "request_timeout"}
    | {"service_unavailable", "team_added_to_org"}
)
# Only words of these tables are ever repeated of what Slack said.
_CURES = {
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "there is no such channel, or the bot is not in it",
    "is_archived": "the channel is archived",
    "invalid_auth": "the bot's token is wrong",
    "not_authed": "the bot's token is wrong",
    "token_revoked": "the bot's token was revoked",
    "token_expired": "the bot's token has expired",
    "account_inactive": "the bot was removed from the workspace",
    "missing_scope": "the bot needs the scope chat:write",
    "restricted_action": "the workspace does not let the bot write there",
    "msg_too_long": "the message is too long",
    "invalid_arguments": "the message does not fit Slack's schema",
    "no_text": "the message has no text",
}


class _Gone(Exception):
    """The message that should be edited cannot be."""


class SlackBot:
    """Writes to one channel with one token."""

    def __init__(self, settings: SlackSettings) -> None:
        """Keep the token."""
        assert settings.bot_token is not None
        self._settings = settings
        self._timeout_s = settings.timeout / 1000
        base = settings.api_url.get_secret_value() if settings.api_url else API
        # As Alertmanager's users write it for a bot.
        base = base.rstrip("/").removesuffix("/chat.postMessage")
        self._poster = Poster(base, settings.timeout)
        self._headers = {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {settings.bot_token.get_secret_value()}",
        }

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`; the edit comes first, since it can be repeated."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._tell(message)
        except TimeoutError:
            raise Retryable(f"no answer within {self._timeout_s:g} s") from None

    async def _tell(self, message: Notification) -> Sent:
        if message.follows is not None:
            try:
                await self._edit(message, message.follows)
                await self._reply(message, message.follows)
            except _Gone:
                pass
            else:
                return Sent("edited, and told in its thread", message.follows)
        return Sent("posted", await self._post(message))

    async def _post(self, message: Notification) -> Posted:
        body = slack_message(message, self._settings) | _metadata(message)
        said = await self._call("chat.postMessage", body)
        place, number = said.get("channel"), said.get("ts")
        if not isinstance(place, str) or not isinstance(number, str):
            raise Retryable("Slack's answer names no message")
        return Posted(place, number)

    async def _edit(self, message: Notification, first: Posted) -> None:
        shown = slack_message(message, self._settings)
        body = {"text": shown["text"], "attachments": shown["attachments"]}
        await self._call("chat.update", body | {"channel": first.place, "ts": first.id})

    async def _reply(self, message: Notification, first: Posted) -> None:
        lines = [f"*{escape(str(message.reason))}*"]
        lines += [escape(message.preface)] if message.preface else []
        lines += [f"• {escape(page_of(alert).headline)}" for alert in message.alerts]
        body = {
            "channel": first.place,
            "thread_ts": first.id,
            "text": cut("\n".join(lines), ATTACHMENT_CHARACTERS),
            # Nobody is told of a reply who did not write in the thread before.
            "reply_broadcast": message.reason in _NEWS,
        }
        if self._settings.username is not None:
            body["username"] = self._settings.username
        await self._call("chat.postMessage", body | _metadata(message))

    async def _call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._poster.ask(orjson.dumps(body), self._headers, f"/{method}")
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            raise Retryable("what answers does not speak as Slack does")
        if said.get("ok") is True:
            return said
        error = said.get("error")
        if error in _GONE:
            raise _Gone
        if error in _LATER:
            raise Retryable(f"Slack says {error}")
        if error in _CURES:
            raise Permanent(f"Slack says {error}: {_CURES[error]}")
        raise Permanent("Slack refused the message")

    async def close(self) -> None:
        """See `Channel`."""
        await self._poster.close()


def _metadata(message: Notification) -> dict[str, Any]:
    return {
        "metadata": {
            "event_type": "inferwatch_notification",
            "event_payload": {"id": message.id},
        }
    }
