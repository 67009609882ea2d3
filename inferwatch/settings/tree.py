"""The whole config as one frozen tree; every section has its defaults and may be absent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from inferwatch import topics as topic_table
from inferwatch.settings.bridge import BridgeSettings
from inferwatch.settings.models import DefaultSettings, ModelEntry, ModelSettings, settle
from inferwatch.settings.notify import NotifySettings
from inferwatch.settings.rules import BURN_RATES, RuleSettings
from inferwatch.settings.section import Remark, Section, SectionError
from inferwatch.settings.services import BrokerSettings, RedisSettings
from inferwatch.settings.sidecar import SidecarSettings
from inferwatch.settings.types import (
    Address,
    Duration,
    Float,
    Int,
    Secret,
    Size,
    Text,
    WindowSpec,
    parse_duration,
    scalar_text,
)

DAY = 86_400_000


def _parse_start(value: Any) -> str | int:
    text = scalar_text(value, "earliest, latest or a duration")
    if text in ("earliest", "latest"):
        return text
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no place to start; allowed are earliest, latest and a duration (2h)"
        ) from None


def _check_prefix(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9._-]*", value):
        raise ValueError(f"{value!r} fits no topic; allowed are letters, digits, '.', '_', '-'")
    return value


Start = Annotated[str | int, BeforeValidator(_parse_start), WithJsonSchema({"type": "string"})]
Count = Annotated[Int, Field(ge=1)]
Budget = Annotated[Float, Field(ge=0)]
Prefix = Annotated[Text, Field(max_length=150), AfterValidator(_check_prefix)]


class TopicSettings(Section):
    """The names and the size of the topics."""

    prefix: Prefix = ""
    """Stands in front of every topic, consumer group and Redis key."""
    partitions: Count = 4
    """Partitions of each topic, when it is created; as many workers can share the work."""
    replication: Count = 1
    """Brokers that hold each topic, when it is created; 3 in production."""


class LimitSettings(Section):
    """What is taken in at most."""

    event_bytes: Annotated[Size, Field(ge=1)] = 2**20
    """The largest event; a larger one is a dead letter."""
    future: Duration = 300_000
    """How far ahead of its record's Kafka time an event may be."""
    idle: Annotated[Duration, Field(ge=1)] = 30_000
    """After this much silence a partition no longer holds the windows back."""
    models: Count = 1000
    """Distinct models, and versions of a model, in a window; what is above goes to __other__."""
    segments: Count = 1000
    """Distinct segments of a version in a window; what is above goes to KEY=__other__."""
    categories: Count = 1000
    """Distinct categories of a feature."""


class RetentionSettings(Section):
    """How long things are kept."""

    restate: Duration = 3_600_000
    """How long after its end a window still takes late rows; more than any outage of a sender."""
    history: Annotated[Duration, Field(ge=1)] = 7 * DAY
    """What the dashboard can look back at."""

    @model_validator(mode="after")
    def _history_outlives_restate(self) -> RetentionSettings:
        if self.restate > self.history:
            raise SectionError(
                Remark(
                    ("restate",),
                    "longer than `history`: a corrected window would be gone; "
                    "allowed is at most `history`",
                )
            )
        return self


class BudgetSettings(Section):
    """False alarms a model and month that the built-in detectors may cost."""

    pages: Budget = 1.0
    """Pages a model and month."""
    tickets: Budget = 2.0
    """Tickets a model and month."""


class AlertingSettings(Section):
    """How easily the built-in detectors speak up."""

    budget: BudgetSettings = BudgetSettings()
    """False alarms a model and month that the built-in detectors may cost."""


class AuthSettings(Section):
    """Who may look at the dashboard."""

    token: Secret
    """What a browser or a client has to show."""


class DashboardSettings(Section):
    """The web page, the JSON API and /metrics."""

    listen: Address = "127.0.0.1:8088"
    """HOST:PORT that the page is served at."""
    auth: AuthSettings | None = None
    """Who may look; absent: everybody who reaches the port."""


class DeadletterSettings(Section):
    """Rejected records."""

    keep: Literal["full", "hash", "none"] = "full"
    """What of the rejected bytes is kept."""


class Settings(Section):
    """The config of inferwatch. No section is required.

    >>> Settings().for_model("fraud").windows[0].text
    '1m'
    """

    broker: BrokerSettings = BrokerSettings()
    """Kafka: where events come from and results go."""
    redis: RedisSettings = RedisSettings()
    """Redis: the counters and the positions. Its `maxmemory-policy` has to be noeviction."""
    topics: TopicSettings = TopicSettings()
    """The names and the size of the topics."""
    start: Start = "earliest"
    """Where a consumer group starts when it is new: earliest, latest, or 2h ago."""
    limits: LimitSettings = LimitSettings()
    """What is taken in at most."""
    retention: RetentionSettings = RetentionSettings()
    """How long things are kept."""
    defaults: DefaultSettings = DefaultSettings()
    """What holds for a model that does not say otherwise."""
    models: tuple[ModelEntry, ...] = ()
    """The models; one that no entry matches is watched with the defaults."""
    rules: tuple[RuleSettings, ...] | None = None
    """What raises an alert; absent: the built-in set, which needs no tuning."""
    alerting: AlertingSettings = AlertingSettings()
    """How easily the built-in detectors speak up."""
    notify: NotifySettings | None = None
    """Who hears of an alert: Alertmanager's keys, with their meaning."""
    dashboard: DashboardSettings = DashboardSettings()
    """The web page, the JSON API and /metrics."""
    deadletter: DeadletterSettings = DeadletterSettings()
    """Rejected records."""
    bridge: BridgeSettings | None = None
    """Foreign topics of single JSON events that are republished in columns."""
    sidecar: SidecarSettings | None = None
    """The tap beside a model server."""

    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _source: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _alerts_do_not_come_back(self) -> Settings:
        """A receiver that writes to one of inferwatch's topics would feed its own readers."""
        own = {topic.full_name(self.topics.prefix) for topic in topic_table.ALL}
        remarks = [
            Remark(
                ("notify", "receivers", i, "kafka_configs", j, "topic"),
                f"{channel.topic!r} is one of inferwatch's own topics; allowed is any other",
            )
            for i, receiver in enumerate(self.notify.receivers if self.notify else ())
            for j, channel in enumerate(receiver.kafka_configs)
            if channel.topic in own
        ]
        if remarks:
            raise SectionError(*remarks)
        return self

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is legal but surprising, a line each; the loader has put them here."""
        return self._warnings

    def with_warnings(self, lines: Iterable[str]) -> Settings:
        """The same settings, with the loader's warnings."""
        warned = self.model_copy()
        warned._warnings = tuple(lines)  # noqa: SLF001 - the class's own attribute
        return warned

    @property
    def source(self) -> str | None:
        """The file that a command was given, as it was named; `-` is standard input."""
        return self._source

    def read_from(self, source: str | None) -> Settings:
        """The same settings, with the file that a command was given."""
        named = self.model_copy()
        named._source = source  # noqa: SLF001 - the class's own attribute
        return named

    def for_model(self, name: str) -> ModelSettings:
        """What holds for a model: its first match, with the defaults where that is silent.

        It is worked out on every call (some 10 µs an entry); keep it where rows are counted.
        """
        entry = next((e for e in self.models if e.matches(name)), None)
        return settle(name, entry, self.defaults)

    @property
    def longest_window(self) -> int:
        """Milliseconds of the longest window of any model."""
        named = [w.size for e in self.models for w in e.windows or ()]
        return max(named + [w.size for w in self.defaults.windows])

    @property
    def longest_horizon(self) -> int:
        """Milliseconds of the longest label horizon of any model."""
        return max(settle("*", e, self.defaults).labels.horizon for e in (None, *self.models))

    def surprises(self) -> Iterator[Remark]:
        """Models that are never reached, windows that nobody has or can look at in full."""
        for index, entry in enumerate(self.models):
            earlier = next((e for e in self.models[:index] if e.swallows(entry)), None)
            if earlier is not None:
                yield Remark(
                    ("models", index, "name"),
                    f"never reached: {earlier.name!r} further up matches first; move it down",
                )
        for index, rule in enumerate(self.rules or ()):
            if rule.window is not None and not self._has_window(rule.models, rule.window):
                yield Remark(
                    ("rules", index, "window"),
                    f"no model that the rule is about has the window {rule.window.text}; "
                    "add it to their windows",
                )
            if rule.slo is not None and rule.slo.fastest_burn <= BURN_RATES[0]:
                yield Remark(
                    ("rules", index, "slo", "objective"),
                    f"with everything bad the budget burns {rule.slo.fastest_burn:.3g} times as "
                    f"fast as it may, and never more than {BURN_RATES[0]:g} times: a fast burn "
                    "raises no alert before a slow one does; promise more, or use `when`",
                )
        if self.longest_window > self.retention.history:
            yield Remark(
                ("retention", "history"),
                "shorter than the longest window, so that the dashboard shows no two of them",
            )

    def _has_window(self, models: str, window: WindowSpec) -> bool:
        """Whether a model that fits the glob may have a window of this size.

        A rule's `15m` is also a model's `15m/1m`: the same time, looked at more often.
        """
        named = [e.name for e in self.models if fnmatchcase(e.name, models)]
        globs = [e.windows or () for e in self.models if re.search(r"[*?\[]", e.name)]
        found = [self.for_model(name).windows for name in (named or [models])] + globs
        if re.search(r"[*?\[]", models):
            found.append(self.defaults.windows)
        return any(
            w.size == window.size and window.slide in (w.slide, w.size)
            for windows in found
            for w in windows
        )
