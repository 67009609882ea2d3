"""PagerDuty, Slack and e-mail: what leaves fits the documented schemas and limits."""

import json
import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest
from alert_story import BEGIN, alert_event
from http_receiver import Answer, HttpReceiver

from consumers.notifier.channels.email import EmailChannel
from consumers.notifier.channels.interface import Permanent, Retryable
from consumers.notifier.channels.pagerduty import PagerdutyChannel
from consumers.notifier.channels.slack import SlackChannel
from consumers.notifier.notification import Notification
from consumers.notifier.reason import Reason
from consumers.notifier.transition import transition_from_json
from inferwatch.settings.notify.channels import EmailSettings, PagerdutySettings, SlackSettings

KEY = "0123456789abcdef0123456789abcdef"


def message(*events: dict) -> Notification:
    alerts = tuple(transition_from_json(json.dumps(e).encode()) for e in events)
    return Notification(
        id="msg_1", reason=Reason.FIRST, receiver="ops", group_key="{}:{}", group_labels={},
        alerts=alerts, at=BEGIN,
    )  # fmt: skip


async def pagerduty(*events: dict, status: int = 202, **settings) -> list[dict]:
    with HttpReceiver(lambda n: Answer(status)) as receiver:
        made = PagerdutyChannel(
            PagerdutySettings.model_validate({"routing_key": KEY, "url": receiver.url, **settings})
        )
        try:
            await made.send(message(*events), BEGIN)
        finally:
            await made.close()
        return [json.loads(post.body) for post in receiver.posts]


async def test_a_page_and_its_end_have_one_key():
    opened, closed = await pagerduty(alert_event("i1"), alert_event("i1", "resolved"))
    assert opened["event_action"] == "trigger"
    assert closed["event_action"] == "resolve"
    assert opened["dedup_key"] == closed["dedup_key"] == "i1"
    assert opened["routing_key"] == KEY
    payload = opened["payload"]
    assert payload["severity"] == "critical"
    assert payload["source"] == "fraud/7"
    assert payload["timestamp"] == "2025-11-24T16:00:00.000Z"
    assert payload["summary"] == "PAGE firing: i1 is slow"


async def test_a_page_with_a_long_summary_is_taken_at_the_first_try():
    long = alert_event(
        "inc-" + "é" * 400,
        summary="drift in feature 🦆\n" * 200,
        evidence=[{"text": "y" * 700_000, "metric": "features.x.psi"}],
    )
    over = {**long, "status": "resolved", "ends_at": BEGIN + 1}
    opened, closed = await pagerduty(long, over)
    assert len(opened["payload"]["summary"]) == 1024
    assert "\n" not in opened["payload"]["summary"]
    assert len(json.dumps(opened, ensure_ascii=False).encode()) < 512_000
    assert len(opened["dedup_key"]) <= 255
    assert opened["dedup_key"] == closed["dedup_key"]


async def test_pagerdutys_answers():
    with pytest.raises(Permanent, match="HTTP 400"):
        await pagerduty(alert_event("i1"), status=400)
    with pytest.raises(Retryable, match="HTTP 429"):
        await pagerduty(alert_event("i1"), status=429)


async def test_one_refused_alert_keeps_no_other_from_being_sent():
    events = [alert_event(f"i{n}") for n in range(30)]
    with HttpReceiver(lambda n: Answer(400 if n == 3 else 202)) as receiver:
        made = PagerdutyChannel(
            PagerdutySettings.model_validate({"routing_key": KEY, "url": receiver.url})
        )
        with pytest.raises(Permanent, match="HTTP 400"):
            await made.send(message(*events), BEGIN)
        await made.close()
        sent = {json.loads(post.body)["dedup_key"] for post in receiver.posts}
    assert sent == {f"i{n}" for n in range(30)}


async def test_a_receiver_that_asks_for_quiet_gets_it():
    events = [alert_event(f"i{n}") for n in range(30)]
    with HttpReceiver(lambda n: Answer(429, {"retry-after": str(n)})) as receiver:
        made = PagerdutyChannel(
            PagerdutySettings.model_validate({"routing_key": KEY, "url": receiver.url})
        )
        with pytest.raises(Retryable) as failure:
            await made.send(message(*events), BEGIN)
        await made.close()
        assert len(receiver.posts) <= 8
        assert failure.value.retry_after_ms == 1000 * len(receiver.posts)


async def slack(*events: dict) -> dict:
    with HttpReceiver() as receiver:
        made = SlackChannel(
            SlackSettings.model_validate({"api_url": receiver.url, "channel": "#x"})
        )
        await made.send(message(*events), BEGIN)
        await made.close()
        return json.loads(receiver.posts[0].body)


async def test_slack_shows_the_page_and_mentions_nobody():
    body = await slack(alert_event("i1", summary="<!channel> & <http://x|y>"))
    assert body["channel"] == "#x"
    assert body["text"] == "[1 firing] &lt;!channel&gt; &amp; &lt;http://x|y&gt;"
    (attachment,) = body["attachments"]
    assert attachment["color"] == "danger"
    assert "<!" not in attachment["text"]
    assert "latency.p99_ms: 300, threshold 250, 100 rows" in attachment["text"]


async def test_slack_stays_within_its_limits():
    body = await slack(*[alert_event(f"i{n}", summary="x" * 9000) for n in range(30)])
    assert len(body["attachments"]) == 20
    assert "10 more" in body["text"]
    assert all(len(a["text"]) <= 3000 for a in body["attachments"])


class Mailbox:
    """An aiosmtpd handler that keeps what it is given, and answers as it is told."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.mails: list = []
        self.answer = answer

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(envelope)
        return self.answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@asynccontextmanager
async def smtp(mailbox: Mailbox, certificate=None):
    """A real SMTP server on a free port, with STARTTLS where there is a certificate."""
    import asyncio

    from aiosmtpd.smtp import SMTP

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(mailbox, tls_context=context, require_starttls=context is not None, loop=loop),
        "127.0.0.1",
        0,
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def mailer(port: int, **more) -> EmailChannel:
    return EmailChannel(
        EmailSettings.model_validate(
            {"to": "ann@example.org, bob@example.org", "from": "watch@example.org",
             "smarthost": f"localhost:{port}", **more}
        )
    )  # fmt: skip


async def test_a_mail_goes_out_over_tls(certificate):
    from email import message_from_bytes

    mailbox = Mailbox()
    async with smtp(mailbox, certificate) as port:
        channel = mailer(port, ca_file=str(certificate / "cert.pem"))
        said = await channel.send(message(alert_event("i1", summary="a\nb ünï")), BEGIN)
    assert said.detail == "sent"
    (envelope,) = mailbox.mails
    assert envelope.rcpt_tos == ["ann@example.org", "bob@example.org"]
    mail = message_from_bytes(envelope.content)
    assert mail["Message-ID"] == "<msg_1@inferwatch>"
    text, page = mail.get_payload()
    assert text.get_content_type() == "text/plain"
    assert page.get_content_type() == "text/html"
    assert "a b ünï" in text.get_payload(decode=True).decode()


async def test_a_server_that_nobody_vouches_for_gets_no_mail(certificate):
    mailbox = Mailbox()
    async with smtp(mailbox, certificate) as port:
        with pytest.raises(Retryable, match="SSLCertVerificationError"):
            await mailer(port).send(message(alert_event("i1")), BEGIN)
    assert mailbox.mails == []


async def test_a_server_without_tls_gets_no_mail_unless_allowed():
    mailbox = Mailbox()
    async with smtp(mailbox) as port:
        with pytest.raises(Permanent, match="no STARTTLS"):
            await mailer(port).send(message(alert_event("i1")), BEGIN)
        assert mailbox.mails == []
        await mailer(port, require_tls="false").send(message(alert_event("i1")), BEGIN)
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("answer", "failure"), [("451 later", Retryable), ("554 never", Permanent)]
)
async def test_the_servers_answers(answer, failure):
    async with smtp(Mailbox(answer)) as port:
        with pytest.raises(failure, match=answer[:3]):
            await mailer(port, require_tls="false").send(message(alert_event("i1")), BEGIN)
