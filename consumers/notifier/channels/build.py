"""From a receiver's settings to its channels; a kind is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from consumers.notifier.channels.interface import Channel
from inferwatch.errors import UsageError
from inferwatch.settings.notify import NotifySettings
from inferwatch.settings.notify.channels import ChannelSettings
from inferwatch.settings.notify.receiver import ReceiverSettings

_CLASSES = {
    "webhook": "WebhookChannel",
    "console": "ConsoleChannel",
    "file": "FileChannel",
    "alertmanager": "AlertmanagerChannel",
    "slack": "SlackChannel",
    "pagerduty": "PagerdutyChannel",
    "email": "EmailChannel",
}

# Receiver, kind, place in the list.
ChannelKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class BoundChannel:
    """A channel with the settings it was built from."""

    channel: Channel
    settings: ChannelSettings


def build_channels(notify: NotifySettings) -> dict[ChannelKey, BoundChannel]:
    """All channels of the receivers that a route names.

    Raises:
        UsageError: one is of a kind that this version does not send to.
    """
    channels: dict[ChannelKey, BoundChannel] = {}
    for receiver in notify.used_receivers().values():
        channels |= receiver_channels(receiver)
    return channels


def receiver_channels(receiver: ReceiverSettings) -> dict[ChannelKey, BoundChannel]:
    """All channels of one receiver."""
    return {
        (receiver.name, kind, index): BoundChannel(_build(receiver.name, kind, settings), settings)
        for kind, index, settings in receiver.channels()
    }


async def close_channels(channels: Mapping[ChannelKey, BoundChannel]) -> None:
    """Let go of all connections."""
    for bound in channels.values():
        await bound.channel.close()


def _build(receiver: str, kind: str, settings: ChannelSettings) -> Channel:
    name = _CLASSES.get(kind)
    if name is None:
        raise UsageError(
            f"receiver {receiver!r}: this version does not send to {kind}_configs; "
            f"allowed are {', '.join(f'{k}_configs' for k in _CLASSES)}"
        )
    module = import_module(f"consumers.notifier.channels.{kind}")
    return cast(Channel, getattr(module, name)(settings))
