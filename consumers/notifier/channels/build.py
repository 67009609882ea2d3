"""From a receiver's settings to its channels; a kind is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from consumers.notifier.channels.interface import Channel
from inferwatch.errors import UsageError
from inferwatch.settings import Settings
from inferwatch.settings.notify import NotifySettings
from inferwatch.settings.notify.channels import ChannelSettings, KafkaSettings, SlackSettings
from inferwatch.settings.notify.receiver import ReceiverSettings

_CLASSES = {
    "webhook": "WebhookChannel",
    "console": "ConsoleChannel",
    "file": "FileChannel",
    "alertmanager": "AlertmanagerChannel",
    "slack": "SlackChannel",
    "slack_bot": "SlackBot",
    "pagerduty": "PagerdutyChannel",
    "email": "EmailChannel",
    "opsgenie": "OpsgenieChannel",
    "msteams": "MsteamsChannel",
    "kafka": "KafkaChannel",
    "apprise": "AppriseChannel",
}

# Receiver, kind, place in the list.
ChannelKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class BoundChannel:
    """A channel with the settings it was built from."""

    channel: Channel
    settings: ChannelSettings


def build_channels(notify: NotifySettings, settings: Settings) -> dict[ChannelKey, BoundChannel]:
    """All channels of the receivers that a route names.

    Raises:
        UsageError: one of them needs what is not installed, or cannot work with this config.
    """
    channels: dict[ChannelKey, BoundChannel] = {}
    for receiver in notify.used_receivers().values():
        channels |= receiver_channels(receiver, settings)
    return channels


def receiver_channels(
    receiver: ReceiverSettings, settings: Settings
) -> dict[ChannelKey, BoundChannel]:
    """All channels of one receiver.

    Raises:
        UsageError: as `build_channels` does.
    """
    channels: dict[ChannelKey, BoundChannel] = {}
    for kind, index, channel in receiver.channels():
        try:
            built = _build(kind, channel, settings)
        except UsageError as error:
            raise UsageError(f"receiver {receiver.name!r}: {error}") from None
        channels[(receiver.name, kind, index)] = BoundChannel(built, channel)
    return channels


async def close_channels(channels: Mapping[ChannelKey, BoundChannel]) -> None:
    """Let go of all connections."""
    for bound in channels.values():
        await bound.channel.close()


def _build(kind: str, channel: ChannelSettings, settings: Settings) -> Channel:
    if isinstance(channel, SlackSettings) and channel.bot_token is not None:
        kind = "slack_bot"
    module = import_module(f"consumers.notifier.channels.{kind}")
    # What lives on the config's own broker has to know it.
    more = (settings.broker,) if isinstance(channel, KafkaSettings) else ()
    return cast(Channel, getattr(module, _CLASSES[kind])(channel, *more))
