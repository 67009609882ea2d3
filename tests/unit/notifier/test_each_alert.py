"""Receivers that take one alert a request: one deadline for all of a message, and its progress."""

import asyncio
import contextlib
import json
from collections import Counter

import pytest
from alert_story import alert_event
from http_receiver import Answer, HttpReceiver
from messages import channel, message

from consumers.notifier.channels.each import AT_ONCE, EachAlert
from consumers.notifier.channels.interface import Permanent, Retryable

ALERTS = 48
MANY = message(*(alert_event(f"i{n}") for n in range(ALERTS)))
KINDS = {
    "pagerduty": ("url", {"routing_key": "k"}, "dedup_key"),
    "opsgenie": ("api_url", {"api_key": "k"}, "alias"),
}


def posted(hook: HttpReceiver, key: str) -> Counter:
    return Counter(json.loads(post.body)[key] for post in hook.posts)


async def test_the_timeout_is_the_whole_messages_and_the_next_try_goes_on():
    begun: Counter = Counter()
    taken: Counter = Counter()

    async def send_one(alert) -> None:
        begun[alert.incident] += 1
        await asyncio.sleep(0.05)
        taken[alert.incident] += 1

    # Eight at once: each is in time, six rounds of them are not.
    each, tries = EachAlert(timeout_ms=120), 1
    with pytest.raises(Retryable, match="no answer within 0.12 s"):
        await each.send(MANY, send_one)
    while len(taken) < ALERTS and tries < 100:
        tries += 1
        with contextlib.suppress(Retryable):
            await each.send(MANY, send_one)
    assert taken == Counter({f"i{n}": 1 for n in range(ALERTS)})
    # Again went only what was on its way when the time was over.
    assert begun.total() <= ALERTS + AT_ONCE * (tries - 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_taken_before_a_failure_is_not_sent_again_and_the_next_message_is(kind):
    address, more, key = KINDS[kind]
    with HttpReceiver(lambda n: Answer(503 if n == 3 else 400 if n == 20 else 202)) as hook:
        async with channel(kind, **{address: hook.url}, **more) as made:
            with pytest.raises(Retryable):
                await made.send(MANY, 0)
            with pytest.raises(Permanent):
                await made.send(MANY, 0)
            assert max(posted(hook, key).values()) == 2
            assert sum(posted(hook, key).values()) == ALERTS + 1
            # Refused for good, it comes again with the group's next message: all of it.
            await made.send(MANY, 0)
        assert sum(posted(hook, key).values()) == 2 * ALERTS + 1
