"""How a receiver is reached: the keys of each `…_configs` list.

Addresses and keys are secrets: they are kept out of printed configs, logs and errors.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    WithJsonSchema,
    model_validator,
)

from inferwatch.settings.notify.addresses import refusal
from inferwatch.settings.notify.templates import Template
from inferwatch.settings.section import Remark, Section
from inferwatch.settings.types import Bool, Duration, Int, Secret, Text, scalar_text, split_address

# As Prometheus repeats to its Alertmanagers.
RENEW_MS = 60_000


def _url(value: Any) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    text = scalar_text(value, "an address (https://…)").strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    # The text is not repeated in the error: a token may stand in the address.
    if not host or parts.scheme not in ("http", "https"):
        raise ValueError("this is no address; allowed are https://HOST/PATH and http://HOST/PATH")
    why = refusal(host)
    if why is not None:
        raise ValueError(f"{why}, and nothing is ever sent there; allowed is any other address")
    return SecretStr(text)


def _signing_secret(value: Any) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    text = scalar_text(value, "a secret (whsec_…)").strip()
    if not text.startswith("whsec_"):
        raise ValueError("a secret is whsec_ and the base64 of 24 to 64 bytes")
    signing_key(text)
    return SecretStr(text)


def signing_key(secret: str) -> bytes:
    """The bytes of a Standard Webhooks secret; padding is optional.

    Raises:
        ValueError: it is no base64, or not of 24 to 64 bytes.

    >>> len(signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    """
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("what follows whsec_ is no base64 (A-Z a-z 0-9 + /)") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"the secret has {len(key)} bytes; allowed are 24 to 64")
    return key


def _apprise_url(value: SecretStr) -> SecretStr:
    # Not repeated in the error: most of these addresses are made of tokens.
    scheme, _, rest = value.get_secret_value().partition("://")
    if not scheme or not rest:
        raise ValueError("this is no address of Apprise; allowed is SERVICE://…")
    host = re.split(r"[/?#]", rest)[0].rpartition("@")[2]
    why = refusal(host) or refusal(re.sub(r":[0-9]*$", "", host))
    if why is not None:
        raise ValueError(f"{why}, and nothing is ever sent there; allowed is any other address")
    return value


def _positive(value: int) -> int:
    if not 0 < value <= 60_000:
        raise ValueError("allowed is 1ms to 60s")
    return value


Url = Annotated[
    SecretStr, BeforeValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})
]
SigningSecret = Annotated[
    SecretStr,
    BeforeValidator(_signing_secret),
    WithJsonSchema({"type": "string", "pattern": "^whsec_"}),
]
Timeout = Annotated[Duration, AfterValidator(_positive)]


class ChannelSettings(Section):
    """What every kind of receiver takes."""

    # How often a channel has to hear of what still fires (ms); such a channel is told of every
    # transition at once, whatever the route's waits say.
    renew: ClassVar[int | None] = None

    send_resolved: Bool = True
    """Whether the end of an incident is told too."""
    timeout: Timeout = 10_000
    """How long one try may take, at most 60s."""

    def templates(self) -> Iterator[str]:
        """The templates that are written here.

        >>> list(SlackSettings(api_url="https://a/", title="{{ status }}").templates())
        ['{{ status }}']
        """
        for key in ("title", "text", "html", "message", "description"):
            value = getattr(self, key, None)
            if value is not None:
                yield value


class WebhookSettings(ChannelSettings):
    """An HTTP POST of JSON, signed as Standard Webhooks does where there is a secret."""

    url: Url
    """Where to. Redirects are not followed."""
    secret: SigningSecret | None = None
    """whsec_ and the base64 of 24 to 64 bytes: signs every message."""
    max_alerts: Annotated[Int, Field(ge=0)] = 0
    """At most so many alerts in one message; 0 is all of them."""


class FileSettings(ChannelSettings):
    """One line of JSON for each alert of a message, appended to a file."""

    path: Annotated[Text, Field(min_length=1)]
    """The file; it is made when it is not there."""


class ConsoleSettings(ChannelSettings):
    """The message as on-call would read it, on the standard output."""


class AlertmanagerSettings(ChannelSettings):
    """Prometheus Alertmanager (API v2); what still fires is sent again before it expires there."""

    renew = RENEW_MS

    url: Url
    """Its address, without /api/v2/alerts."""


class SlackSettings(ChannelSettings):
    """A Slack channel, by an incoming webhook or by a bot."""

    send_resolved: Bool = False
    """Whether the end of an incident is told too; Alertmanager's default is no."""
    api_url: Url | None = None
    """The address of the incoming webhook; for a bot, of Slack's Web API where it is another."""
    bot_token: Secret | None = None
    """The token of a bot (xoxb-…): it edits its first message and answers in the thread."""
    channel: Text | None = None
    """Where a bot writes; an incoming webhook knows it by itself."""
    username: Text | None = None
    """The sender's name."""
    title: Template | None = None
    """Template of the message's first line."""
    text: Template | None = None
    """Template of all that follows it."""

    @model_validator(mode="after")
    def _reachable(self) -> SlackSettings:
        if self.api_url is None and self.bot_token is None:
            raise ValueError("`api_url` or `bot_token` is missing")
        if self.bot_token is not None and self.channel is None:
            raise ValueError("`channel` is missing; a bot has to know where to write")
        return self

    def surprises(self) -> Iterator[Remark]:
        """A bot's message would go on saying that it fires."""
        if self.bot_token is not None and not self.send_resolved:
            yield Remark(
                ("bot_token",),
                "the bot's message is not edited when all is over; add `send_resolved: true`",
            )


class PagerdutySettings(ChannelSettings):
    """PagerDuty, Events API v2."""

    routing_key: Annotated[Secret, Field(min_length=1)]
    """The integration key of the service, 32 characters."""
    url: Url = SecretStr("https://events.pagerduty.com/v2/enqueue")
    """The full address that events are sent to."""
    client: Text = "inferwatch"
    """The sender's name."""
    client_url: Text | None = None
    """A link to the sender."""
    severity: Text | None = None
    """critical, error, warning or info; page is critical, ticket warning, info info by default."""
    description: Template | None = None
    """Template of an event's summary."""

    @model_validator(mode="after")
    def _known_severity(self) -> PagerdutySettings:
        allowed = ("critical", "error", "warning", "info")
        if self.severity is not None and self.severity not in allowed:
            raise ValueError(f"severity {self.severity!r}: allowed are {', '.join(allowed)}")
        return self

    def surprises(self) -> Iterator[Remark]:
        """A key of another length is most likely cut off."""
        if len(self.routing_key.get_secret_value()) != 32:
            yield Remark(("routing_key",), "PagerDuty's integration keys have 32 characters")


class EmailSettings(ChannelSettings):
    """An e-mail, as text and as HTML."""

    send_resolved: Bool = False
    """Whether the end of an incident is told too; Alertmanager's default is no."""
    to: Annotated[Text, Field(min_length=3)]
    """Who gets it; several addresses are separated by commas."""
    sender: Annotated[Text, Field(min_length=3, alias="from")]
    """Whose name it comes in."""
    smarthost: Text
    """HOST:PORT of the mail server; port 465 is TLS from the start."""
    auth_username: Text | None = None
    """The user at the mail server."""
    auth_password: Secret | None = None
    """The password at the mail server."""
    require_tls: Bool = True
    """Whether a server without STARTTLS is refused."""
    ca_file: Text | None = None
    """PEM file of the authority that signed the server's certificate; the system's by default."""
    headers: dict[str, Template] = Field(default={})
    """More headers, such as Reply-To, or another Subject; templates."""
    text: Template | None = None
    """Template of the text."""
    html: Template | None = None
    """Template of the HTML; empty for none."""

    def templates(self) -> Iterator[str]:
        """See `ChannelSettings`."""
        yield from super().templates()
        yield from self.headers.values()

    @model_validator(mode="after")
    def _server_fits(self) -> EmailSettings:
        host, _ = split_address(self.smarthost)
        why = refusal(host)
        if why is not None:
            raise ValueError(f"smarthost: {why}, and nothing is ever sent there")
        if (self.auth_username is None) != (self.auth_password is None):
            raise ValueError("`auth_username` and `auth_password` go together")
        return self


class OpsgenieResponder(Section):
    """Who is called for an alert."""

    type: Literal["team", "user", "escalation", "schedule"]
    """team, user, escalation or schedule."""
    id: Text | None = None
    """Its id in Opsgenie."""
    name: Text | None = None
    """The name of a team, escalation or schedule."""
    username: Text | None = None
    """The address of a user."""

    @model_validator(mode="after")
    def _named(self) -> OpsgenieResponder:
        if self.id is None and self.name is None and self.username is None:
            raise ValueError("one of `id`, `name` and `username` is missing")
        return self


class OpsgenieSettings(ChannelSettings):
    """Opsgenie's alert API: an alert for each incident, closed at its end."""

    api_key: Annotated[Secret, Field(min_length=1)]
    """The key of an API integration that may create and close alerts."""
    api_url: Url = SecretStr("https://api.opsgenie.com/")
    """Its address; https://api.eu.opsgenie.com/ for accounts in the EU."""
    source: Annotated[Text, Field(min_length=1, max_length=100)] = "inferwatch"
    """Where the alert says that it comes from."""
    priority: Literal["P1", "P2", "P3", "P4", "P5"] | None = None
    """P1 to P5; page is P1, ticket P3, info P5 by default."""
    tags: Text = ""
    """Separated by commas; at most 20 of 50 characters each."""
    responders: Annotated[tuple[OpsgenieResponder, ...], Field(max_length=50)] = ()
    """Who is called; by default whom the integration names."""
    message: Template | None = None
    """Template of an alert's message."""
    description: Template | None = None
    """Template of an alert's description."""

    def tag_list(self) -> list[str]:
        """The single tags.

        >>> OpsgenieSettings(api_key="k", tags="ml, risk,").tag_list()
        ['ml', 'risk']
        """
        return [tag.strip() for tag in self.tags.split(",") if tag.strip()]

    @model_validator(mode="after")
    def _tags_fit(self) -> OpsgenieSettings:
        tags = self.tag_list()
        if len(tags) > 20 or any(len(tag) > 50 for tag in tags):
            raise ValueError("tags: allowed are at most 20, of at most 50 characters each")
        return self


class MsteamsSettings(ChannelSettings):
    """A channel of Microsoft Teams, by a workflow or by a classic connector."""

    webhook_url: Url
    """The address of the workflow or connector."""
    card: Literal["auto", "adaptive", "message"] = "auto"
    """adaptive for workflows, message for connectors (as Alertmanager); auto tells by the host."""
    title: Template | None = None
    """Template of the card's title."""
    text: Template | None = None
    """Template of the card's text."""


def _topic(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", value) or value in (".", ".."):
        raise ValueError(
            f"{value!r} is no topic; allowed are up to 249 letters, digits, '.', '_', '-'"
        )
    return value


class KafkaSettings(ChannelSettings):
    """A topic on the config's own broker: a record for each alert, keyed by its fingerprint."""

    topic: Annotated[Text, AfterValidator(_topic)]
    """Its full name; it has to be there."""


class AppriseSettings(ChannelSettings):
    """Everything that Apprise knows: pip install 'inferwatch[apprise]'."""

    url: Annotated[Secret, AfterValidator(_apprise_url)]
    """Apprise's address of the service, such as ntfy://ntfy.example/alerts."""
    title: Template | None = None
    """Template of the title."""
    text: Template | None = None
    """Template of the text."""
