"""What every channel over HTTP has in common, whatever the vendor: one list of checks over all."""

import asyncio
import logging
import socket
from dataclasses import dataclass, field

import pytest
from alert_story import BEGIN, alert_event
from http_receiver import Answer, HttpReceiver
from messages import channel, message

from consumers.notifier.channels.interface import Permanent, Retryable

SECRET = "s3cr3t-of-the-operator"
PAGE = message(alert_event("i1"))


@dataclass(frozen=True)
class Kind:
    """A kind of channel: how its config is written, and the body by which its vendor says yes."""

    config: str
    address: str
    more: dict = field(default_factory=dict)
    yes: bytes = b""
    # How the vendor asks to be left alone for 17 s; None where the channel cannot know.
    wait: dict | None = field(default_factory=lambda: {"retry-after": "17"})


OK = b'{"ok":true,"channel":"C1","ts":"1.2"}'
KINDS = {
    "webhook": Kind("webhook", "url"),
    "alertmanager": Kind("alertmanager", "url"),
    "pagerduty": Kind("pagerduty", "url", {"routing_key": SECRET}),
    "slack": Kind("slack", "api_url"),
    "slack bot": Kind("slack", "api_url", {"bot_token": SECRET, "channel": "#x"}, OK),
    "opsgenie": Kind("opsgenie", "api_url", {"api_key": SECRET}),
    "opsgenie by its own header": Kind(
        "opsgenie", "api_url", {"api_key": SECRET}, wait={"x-ratelimit-period-in-sec": "17"}
    ),
    "teams workflow": Kind("msteams", "webhook_url", {"card": "adaptive"}),
    "teams connector": Kind("msteams", "webhook_url", {"card": "message"}, b"1"),
    "apprise": Kind("apprise", "url", wait=None),
}


@pytest.fixture(params=KINDS)
def kind(request) -> Kind:
    return KINDS[request.param]


def config_of(kind: Kind, url: str) -> dict:
    if kind.config == "apprise":
        url = url.replace("http://", "json://")
    return {kind.address: url, **kind.more}


async def outcome(kind: Kind, url: str, **settings) -> Exception | str:
    async with channel(kind.config, **config_of(kind, url), **settings) as made:
        try:
            return (await made.send(PAGE, BEGIN)).detail
        except (Retryable, Permanent) as failure:
            return failure


async def answered(kind: Kind, status: int, headers: dict | None = None) -> Exception | str:
    answer = Answer(status, headers or {}, kind.yes if status < 300 else b"words of the vendor")
    with HttpReceiver(lambda n: answer) as receiver:
        return await outcome(kind, receiver.url)


async def test_it_is_taken(kind):
    assert isinstance(await answered(kind, 200), str)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_a_4xx_is_final(kind, status):
    said = await answered(kind, status)
    assert isinstance(said, Permanent)
    assert str(said) == f"HTTP {status}"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_429_and_5xx_are_tried_again(kind, status):
    said = await answered(kind, status)
    assert isinstance(said, Retryable)
    assert str(said) == f"HTTP {status}"


async def test_the_wait_that_is_asked_for_is_heard(kind):
    said = await answered(kind, 429, kind.wait or {"retry-after": "17"})
    assert said.retry_after_ms == (None if kind.wait is None else 17_000)


async def test_the_timeout_bounds_a_try(kind):
    with HttpReceiver(lambda n: Answer(wait_s=20)) as receiver:
        async with asyncio.timeout(10):
            said = await outcome(kind, receiver.url, timeout="200ms")
    assert isinstance(said, Retryable)
    assert str(said) == "no answer within 0.2 s"


async def test_nobody_listens(kind):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        said = await outcome(kind, f"http://127.0.0.1:{taken.getsockname()[1]}/hook")
    assert isinstance(said, Retryable)


async def test_a_redirect_is_not_followed(kind):
    with HttpReceiver(lambda n: Answer(200, body=kind.yes)) as elsewhere:
        said = await answered(kind, 307, {"location": elsewhere.url})
        assert elsewhere.posts == []
    assert isinstance(said, Permanent)


async def test_every_try_is_the_same(kind):
    with HttpReceiver(lambda n: Answer(500 if n == 1 else 200, body=kind.yes)) as receiver:
        async with channel(kind.config, **config_of(kind, receiver.url)) as made:
            with pytest.raises(Retryable):
                await made.send(PAGE, BEGIN)
            await made.send(PAGE, BEGIN)
        first, second = receiver.posts
    assert (first.path, first.body) == (second.path, second.body)
    assert b"i1" in first.body


@pytest.mark.parametrize("status", [400, 500])
async def test_neither_answer_nor_address_nor_key_stand_in_an_error_or_a_log(kind, status, caplog):
    # As inferwatch/logs.py has it: httpx tells the address of every request at INFO.
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, logger="httpx")
    said = str(await answered(kind, status)) + caplog.text
    for secret in ("words", SECRET, "127.0.0.1", "/hook"):
        assert secret not in said


async def test_a_name_that_leads_to_a_link_local_address_is_refused(kind, monkeypatch):
    real = socket.getaddrinfo

    def lies(host, port, *args, **more):
        if host == "metadata.example":
            host = "169.254.169.254"
        return real(host, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lies)
    said = await outcome(kind, "http://metadata.example/hook")
    assert isinstance(said, Permanent)
    assert "link-local" in str(said)
