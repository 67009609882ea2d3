"""Slack as a bot: one message a group, edited, with what happened in its thread."""

import json
from dataclasses import replace

import pytest
from alert_story import BEGIN, Story, alert_event
from http_receiver import Answer
from messages import channel, message
from slack_api import CHANNEL, TOKEN, SlackApi

from consumers.notifier.channels.interface import Permanent, Retryable
from consumers.notifier.lane import Address, Lane, Told, lane_from_json, lane_to_json
from consumers.notifier.notification import Posted
from consumers.notifier.reason import Reason


@pytest.fixture
def api():
    with SlackApi() as api:
        yield api


def bot(api: SlackApi, **config):
    made = {"bot_token": TOKEN, "channel": "#alerts", "api_url": api.url, **config}
    return channel("slack", **made)


async def send(api: SlackApi, *events: dict, follows=None, reason=Reason.FIRST, **config):
    async with bot(api, **config) as made:
        return await made.send(message(*events, follows=follows, reason=reason), BEGIN)


async def test_the_first_message_is_edited_and_what_happens_is_told_in_its_thread(api):
    first = await send(api, alert_event("i1"))
    assert first.posted == Posted(CHANNEL, "1764000000.000001")
    events = [alert_event("i2"), alert_event("i1", "resolved")]
    then = await send(api, *events, follows=first.posted, reason=Reason.NEW_ALERTS)
    assert then.posted == first.posted
    (shown,) = api.channel
    assert shown["text"].startswith("[1 firing, 1 resolved]")
    assert [a["color"] for a in shown["attachments"]] == ["danger", "good"]
    (reply,) = api.thread(first.posted.id)
    assert reply["text"].splitlines() == [
        "*new alerts in group*", "• PAGE firing: i2 is slow", "• PAGE resolved: i1 is slow",
    ]  # fmt: skip


@pytest.mark.parametrize(("reason", "seen"), [(Reason.NEW_ALERTS, True), (Reason.REPEAT, False)])
async def test_only_what_is_new_is_shown_in_the_channel_too(api, reason, seen):
    first = await send(api, alert_event("i1"))
    await send(api, alert_event("i1"), follows=first.posted, reason=reason)
    (reply,) = api.thread(first.posted.id)
    assert reply["reply_broadcast"] is seen


async def test_both_tries_of_a_message_have_one_id(api):
    api.fails = [Answer(500)]
    with pytest.raises(Retryable):
        await send(api, alert_event("i1"))
    await send(api, alert_event("i1"))
    ids = [json.loads(p.body)["metadata"]["event_payload"]["id"] for p in api.posts]
    assert ids[0] == ids[1] == message(alert_event("i1")).id


async def test_a_try_after_a_lost_reply_edits_again_and_replies_once(api):
    first = await send(api, alert_event("i1"))
    real = api.answer
    api.answer = lambda n: Answer(503) if n == 3 else real(n)
    with pytest.raises(Retryable):
        await send(api, alert_event("i1", "resolved"), follows=first.posted)
    await send(api, alert_event("i1", "resolved"), follows=first.posted)
    assert len(api.channel) == 1
    assert len(api.thread(first.posted.id)) == 1


@pytest.mark.parametrize("gone", ["message_not_found", "edit_window_closed", "thread_not_found"])
async def test_a_message_that_cannot_be_edited_any_more_is_posted_anew(api, gone):
    first = await send(api, alert_event("i1"))
    api.fails = [gone]
    then = await send(api, alert_event("i1", "resolved"), follows=first.posted)
    assert then.posted.id == "1764000000.000002"
    assert [m["text"][:10] for m in api.channel] == ["[1 firing]", "[1 resolve"]


@pytest.mark.parametrize(
    ("error", "failure", "words"),
    [
        ("not_in_channel", Permanent, "invite the bot"),
        ("invalid_auth", Permanent, "token is wrong"),
        ("ratelimited", Retryable, "ratelimited"),
        ("internal_error", Retryable, "internal_error"),
        ("secret words of tomorrow", Permanent, "^Slack refused the message$"),
    ],
)
async def test_an_error_inside_of_a_200_counts(api, error, failure, words):
    api.fails = [error]
    with pytest.raises(failure, match=words):
        await send(api, alert_event("i1"))


async def test_429_waits_as_long_as_slack_says(api):
    api.fails = [Answer(429, {"retry-after": "30"})]
    with pytest.raises(Retryable) as failure:
        await send(api, alert_event("i1"))
    assert failure.value.retry_after_ms == 30_000


async def test_the_timeout_bounds_both_calls_together(api):
    first = await send(api, alert_event("i1"))
    real = api.answer
    api.answer = lambda n: replace(real(n), wait_s=0.4)
    with pytest.raises(Retryable, match="no answer within 0.6 s"):
        await send(api, alert_event("i1"), follows=first.posted, timeout="600ms")


async def test_what_does_not_speak_as_slack_is_tried_again(api):
    for body in (b"<html>", b"[]", b'{"ok":true}'):
        api.fails = [Answer(200, body=body)]
        with pytest.raises(Retryable):
            await send(api, alert_event("i1"))


async def test_large_messages_and_mentions(api):
    events = [alert_event(f"i{n}", summary="<!channel> " + "x" * 9000) for n in range(30)]
    first = await send(api, *events)
    await send(api, *events, follows=first.posted)
    (shown,) = api.channel
    assert len(shown["attachments"]) == 20
    assert all("<!" not in json.dumps(m) for m in api.messages.values())
    assert all(len(m["text"]) <= 3000 for m in api.messages.values())


async def test_the_keys_of_a_bot(api):
    await send(api, alert_event("i1"), channel=CHANNEL, username="watch")
    assert api.channel[0]["channel"] == CHANNEL
    assert api.channel[0]["username"] == "watch"
    # As Alertmanager's users write the address for a bot.
    await send(api, alert_event("i1"), api_url=f"{api.url}/chat.postMessage")
    assert len(api.channel) == 2
    with pytest.raises(Permanent, match="token is wrong"):
        await send(api, alert_event("i1"), bot_token="xoxb-other")


def test_a_lane_remembers_its_message_and_reads_what_was_written_before_there_was_one():
    told = Told(at=BEGIN, firing=frozenset({"i1"}), posted=Posted("C1", "1.2"))
    waiting = message(alert_event("i2"), follows=told.posted)
    lane = Lane(Address("{}", "ops", "slack", 0, {}), told=told, pending=waiting)
    stored = lane_to_json(lane)
    assert lane_from_json(stored) == lane
    older = stored.replace(b',"posted":["C1","1.2"]', b"").replace(b',"follows":["C1","1.2"]', b"")
    assert b"1.2" not in older
    read = lane_from_json(older)
    assert (read.told.posted, read.pending.follows) == (None, None)


NOTIFY = {
    "route": {"receiver": "ops", "group_by": ["model"], "group_wait": "0s", "group_interval": "1m"},
    "receivers": [
        {
            "name": "ops",
            "slack_configs": [{"bot_token": TOKEN, "channel": "#alerts", "send_resolved": True}],
        }
    ],
}


def test_a_group_has_one_message_until_all_is_over():
    story = Story(NOTIFY)
    story.posts = True
    story.at(0).push("i1")
    story.at(100).push("i2")
    story.at(200).push("i1", "resolved").push("i2", "resolved")
    story.at(300).push("i3")
    story.tell(400)
    assert [s.message.follows and s.message.follows.id for s in story.said] == [
        None, "1", "1", None,
    ]  # fmt: skip


def test_the_message_is_found_again_after_redis_was_emptied():
    story = Story(NOTIFY)
    story.posts = True
    story.at(0).push("i1")
    on = story.tell(50).after_a_flush()
    on.posts = True
    on.at(60).push("i2")
    on.tell(200)
    assert on.said[0].message.follows == Posted("#", "1")
