"""A test notification through every channel of one receiver."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import orjson

from consumers.notifier.channels.build import close_channels, receiver_channels
from consumers.notifier.channels.interface import Permanent, Retryable
from consumers.notifier.clock import WallClock
from consumers.notifier.notification import Notification, notification_id
from consumers.notifier.reason import Reason
from consumers.notifier.transition import Transition, transition_from_json
from inferwatch.settings import Settings
from inferwatch.settings.notify.receiver import ReceiverSettings


class Result(NamedTuple):
    """What came of one channel."""

    channel: str
    ok: bool
    detail: str


def try_receiver(receiver: ReceiverSettings, settings: Settings) -> list[Result]:
    """Send one message through each channel, once each."""
    return asyncio.run(_try_all(receiver, settings))


async def _try_all(receiver: ReceiverSettings, settings: Settings) -> list[Result]:
    now = WallClock().now()
    alert = trial_alert(now)
    message = Notification(
        id=notification_id([alert.id]),
        reason=Reason.TEST,
        receiver=receiver.name,
        group_key="{}:{}",
        group_labels={},
        alerts=(alert,),
        at=now,
    )
    channels = receiver_channels(receiver, settings)
    results = []
    try:
        for (_, kind, index), bound in channels.items():
            name = f"{kind}_configs[{index}]"
            try:
                sent = await bound.channel.send(message, now)
            except (Retryable, Permanent) as failure:
                results.append(Result(name, False, str(failure)))
            else:
                results.append(Result(name, True, sent.detail))
    finally:
        await close_channels(channels)
    return results


def trial_alert(now: int) -> Transition:
    """An alert that says that it is a test, and asks for nothing."""
    labels = {
        "alertname": "inferwatch-test",
        "model": "none",
        "version": "none",
        "severity": "info",
        "kind": "blind",
    }
    return transition_from_json(
        orjson.dumps(
            {
                "schema": "inferwatch.alert/1",
                "fingerprint": "0" * 16,
                "incident": f"test-{now}",
                "status": "firing",
                "severity": "info",
                "starts_at": now,
                "ends_at": None,
                "updated_at": now,
                "rule": "inferwatch-test",
                "kind": "blind",
                "model": "none",
                "version": "none",
                "segment": None,
                "labels": labels,
                "summary": "This is a test of the receiver; there is nothing to do",
            }
        )
    )
