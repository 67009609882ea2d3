"""A receiver: a name, and all the ways in which it is told."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from inferwatch.settings.notify.channels import (
    AlertmanagerSettings,
    AppriseSettings,
    ChannelSettings,
    ConsoleSettings,
    EmailSettings,
    FileSettings,
    KafkaSettings,
    MsteamsSettings,
    OpsgenieSettings,
    PagerdutySettings,
    SlackSettings,
    WebhookSettings,
)
from inferwatch.settings.section import Section
from inferwatch.settings.types import Duration, Text


class FallbackSettings(Section):
    """Who is told instead of a receiver that stays dead."""

    receiver: Text
    """The other receiver."""
    after: Duration = 300_000
    """How long the first one takes nothing until then; what it refuses falls at once."""


class ReceiverSettings(Section):
    """Somebody who is told; without any `…_configs` the alerts end here in silence."""

    name: Text = Field(min_length=1)
    """What routes refer to."""
    webhook_configs: tuple[WebhookSettings, ...] = ()
    """HTTP POST of JSON, signed."""
    console_configs: tuple[ConsoleSettings, ...] = ()
    """The terminal."""
    file_configs: tuple[FileSettings, ...] = ()
    """A file of JSON lines."""
    alertmanager_configs: tuple[AlertmanagerSettings, ...] = ()
    """Prometheus Alertmanager."""
    slack_configs: tuple[SlackSettings, ...] = ()
    """Slack."""
    pagerduty_configs: tuple[PagerdutySettings, ...] = ()
    """PagerDuty."""
    email_configs: tuple[EmailSettings, ...] = ()
    """E-mail."""
    opsgenie_configs: tuple[OpsgenieSettings, ...] = ()
    """Opsgenie."""
    msteams_configs: tuple[MsteamsSettings, ...] = ()
    """Microsoft Teams."""
    kafka_configs: tuple[KafkaSettings, ...] = ()
    """A Kafka topic."""
    apprise_configs: tuple[AppriseSettings, ...] = ()
    """Anything that Apprise reaches."""

    fallback: FallbackSettings | None = None
    """Who is told instead when one of its channels stays dead, or refuses a message."""

    def channels(self) -> Iterator[tuple[str, int, ChannelSettings]]:
        """Every way to tell this receiver: its kind, its place in the list, its settings.

        >>> [(k, i) for k, i, _ in ReceiverSettings(name="a", console_configs=[{}]).channels()]
        [('console', 0)]
        """
        for key in type(self).model_fields:
            if key.endswith("_configs"):
                kind = key.removesuffix("_configs")
                for i, channel in enumerate(getattr(self, key)):
                    yield kind, i, channel
