"""Microsoft Teams: the card that a workflow takes, and the one that a connector takes."""

import json

import orjson
import pytest
from alert_story import BEGIN, alert_event
from messages import channel, message
from teams_webhook import LIMIT_BYTES, TeamsWebhook

from consumers.notifier.channels import msteams
from consumers.notifier.channels.interface import Permanent, Retryable
from consumers.notifier.channels.msteams import MESSAGE_BYTES, MsteamsChannel, card_body
from consumers.notifier.text import texts_of
from inferwatch.settings.notify.channels import MsteamsSettings

CARDS = {"workflow": "adaptive", "connector": "message"}


@pytest.fixture(params=CARDS)
def teams(request):
    with TeamsWebhook(request.param) as teams:
        yield teams


async def send(teams: TeamsWebhook, *events: dict, **config) -> str:
    config = {"webhook_url": teams.url, "card": CARDS[teams.kind], **config}
    async with channel("msteams", **config) as made:
        return (await made.send(message(*events), BEGIN)).detail


def shown(card: dict) -> tuple[str, str, str]:
    """Title, colour and text."""
    if "attachments" not in card:
        return card["title"], card["themeColor"], card["text"]
    title, *blocks = card["attachments"][0]["content"]["body"]
    return title["text"], title["color"], "\n".join(b["text"] for b in blocks)


async def test_a_card_shows_the_page(teams):
    said = await send(teams, alert_event("i1", summary="fraud is slow"))
    assert said == ("HTTP 202" if teams.kind == "workflow" else "HTTP 200")
    title, colour, text = shown(teams.cards[0])
    assert title == "[1 firing] fraud is slow"
    assert colour in ("Attention", "8C1A1A")
    assert "latency.p99_ms: 300, threshold 250, 100 rows" in text


async def test_its_end_is_green(teams):
    await send(teams, alert_event("i1", "resolved"))
    title, colour, _ = shown(teams.cards[0])
    assert title == "[1 resolved] i1 is slow"
    assert colour in ("Good", "2DC72D")


async def test_a_workflows_card_links_to_the_dashboard():
    with TeamsWebhook("workflow") as teams:
        await send(teams, alert_event("i1", dashboard_url="https://dash.example/i1"))
    (action,) = teams.cards[0]["attachments"][0]["content"]["actions"]
    assert (action["title"], action["url"]) == ("dashboard", "https://dash.example/i1")


async def test_what_came_with_the_traffic_is_no_markup(teams):
    await send(teams, alert_event("i1", summary="[pay](http://evil) <b>now</b> *x*"))
    title, _, text = shown(teams.cards[0])
    for where in (title, text):
        assert "[pay]" not in where
        assert "<b>" not in where
        assert "\\*x\\*" in where


async def test_large_messages_are_taken_at_the_first_try(teams):
    await send(teams, *[alert_event(f"i{n}", summary="x" * 3000) for n in range(30)])
    long = "https://dash.example/" + "x" * 40_000
    await send(teams, alert_event("i1", summary="\x01é🦆" * 20_000, dashboard_url=long))
    first, second = (json.loads(post.body) for post in teams.posts)
    assert "more are not shown" in shown(first)[2]
    assert shown(second)[2].endswith("…")
    assert all(len(post.body) < LIMIT_BYTES for post in teams.posts)
    assert len(teams.cards) == 2


@pytest.mark.parametrize("kind", CARDS)
def test_of_many_alerts_it_shows_as_many_as_fit_and_finds_them_soon(kind, monkeypatch):
    many = message(*[alert_event(f"i{n}") for n in range(1500)])
    settings = MsteamsSettings(webhook_url="https://a/")
    builder = {"workflow": "_adaptive_card", "connector": "_message_card"}[kind]
    card, made = getattr(msteams, builder), []

    def counted(about, title, lines):
        made.append(lines)
        return card(about, title, lines)

    monkeypatch.setattr(msteams, builder, counted)
    body = card_body(many, settings, connector=kind == "connector")
    assert len(body) < MESSAGE_BYTES
    assert len(made) < 20
    *pages, more = made[-1]
    assert more == f"{1500 - len(pages)} more are not shown"
    texts = [msteams._plain(text) for text in texts_of(many)]
    assert pages == texts[: len(pages)]
    title = shown(json.loads(body))[0]
    one_more = [*texts[: len(pages) + 1], f"{1500 - len(pages) - 1} more are not shown"]
    assert len(orjson.dumps(card(many, title, one_more))) >= MESSAGE_BYTES


@pytest.mark.parametrize(
    ("status", "failure"), [(429, Retryable), (503, Retryable), (413, Permanent), (404, Permanent)]
)
async def test_what_teams_says_behind_the_webhook_counts(teams, status, failure):
    teams.refuses = status
    with pytest.raises(failure, match=f"^HTTP {status}$"):
        await send(teams, alert_event("i1"))


@pytest.mark.parametrize(
    ("url", "card", "connector"),
    [
        ("https://x.webhook.office.com/webhookb2/1", "auto", True),
        ("https://outlook.office.com/webhook/1", "auto", True),
        ("https://prod-1.westeurope.logic.azure.com/workflows/1", "auto", False),
        ("https://x.powerplatform.com/1", "auto", False),
        ("https://teams-proxy.example/", "auto", False),
        ("https://teams-proxy.example/", "message", True),
        ("https://x.webhook.office.com/webhookb2/1", "adaptive", False),
    ],
)
async def test_the_card_is_the_one_that_the_address_takes(url, card, connector):
    made = MsteamsChannel(MsteamsSettings.model_validate({"webhook_url": url, "card": card}))
    assert made.connector == connector
    await made.close()
