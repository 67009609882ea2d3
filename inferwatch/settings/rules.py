"""The rules of the config: what fires, for whom, and how it is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from inferwatch.events.alert import Severity
from inferwatch.settings.conditions import Against, When
from inferwatch.settings.metric_path import MetricPath, parse_metric
from inferwatch.settings.section import Section
from inferwatch.settings.types import Duration, Float, Int, Text, Window


def _metric(value: object) -> str:
    return parse_metric(str(value).strip()).text


def _severity(value: object) -> Severity:
    try:
        return Severity(str(value))
    except ValueError:
        allowed = ", ".join(Severity)
        raise ValueError(f"{str(value)!r} is no severity; allowed are {allowed}") from None


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{value:g} is no share; allowed is 0 to 1")
    return value


Metric = Annotated[str, BeforeValidator(_metric), WithJsonSchema({"type": "string"})]
Level = Annotated[
    Severity,
    BeforeValidator(_severity),
    WithJsonSchema({"type": "string", "enum": [str(s) for s in Severity]}),
]
Share = Annotated[Float, BeforeValidator(lambda v: _share(float(v)))]


INDICATORS = ("latency.slow_rate", "latency.error_rate", "quality.accuracy")
"""What an objective may be about: what requests or labelled predictions are good or bad in."""


BURN_RATES = (14.4, 6.0)
"""How many times too fast a budget must burn for an alert of the rule's own severity."""


class SloSettings(Section):
    """A service level objective: the share of good requests or predictions over a period.

    What may be bad is the error budget; alerts come of the rate at which it is spent, in a long
    and a short window at once (Google, The Site Reliability Workbook, chapter 5).
    """

    metric: Text
    """`latency.error_rate`, `quality.accuracy`, or `latency.slow_rate` with `over`."""
    over: Duration | None = None
    """What counts as slow, for `latency.slow_rate`."""
    objective: Float
    """Per cent of good ones that is promised, such as 99.5."""
    period: Duration = 30 * 86_400_000
    """The time that the promise is about; the windows of the burn rates are scaled to it."""

    @model_validator(mode="after")
    def _possible(self) -> SloSettings:
        if not 0 < self.objective < 100:
            raise ValueError(f"objective {self.objective:g}: allowed is above 0 and below 100")
        if (self.metric == "latency.slow_rate") != (self.over is not None):
            raise ValueError("`over` says what is slow: it goes with metric latency.slow_rate")
        if self.metric not in INDICATORS:
            allowed = ", ".join(INDICATORS)
            raise ValueError(f"{self.metric!r} has no good and bad ones; allowed are {allowed}")
        if not self.period:
            raise ValueError("period: a promise is about some time; allowed is above 0")
        return self

    @property
    def fastest_burn(self) -> float:
        """The burn rate when everything is bad.

        >>> SloSettings(metric="latency.error_rate", objective=90).fastest_burn
        10.0
        """
        return round(100 / (100 - self.objective), 9)


class RuleSettings(Section):
    """One rule: a metric, a condition, and whom and what it is about.

    >>> rule = RuleSettings(name="low", metric="quality.accuracy", when="< 0.80", window="15m")
    >>> rule.when.limit, rule.window.size, rule.severity.value
    (0.8, 900000, 'ticket')
    """

    name: Text
    """Stands in the alert as `rule` and as the label `alertname`; unique in the config."""
    metric: Metric | None = None
    """A metric path, `features.*.psi`; a `*` makes one incident that lists what breached."""
    when: When | None = None
    """`< 0.80`, `> 250`, `drop > 0.05`, `drop > 10%`, `rise > 0.05`, `ratio > 2`, `unusual`.

    `unusual` learns from the model's own past: the last windows, the hours of the day after 3 days,
    and of the week after 3 weeks."""
    slo: SloSettings | None = None
    """Instead of `metric` and `when`: alerts on the rate at which an objective's budget burns."""
    baseline: Against | None = None
    """What a drop, rise or ratio compares with; the reference, when nothing is said."""
    window: Window | None = None
    """One of the model's windows; its smallest one, when nothing is said."""
    for_: Duration = Field(default=0, alias="for")
    """Event time that the condition must hold before the alert fires."""
    keep_firing_for: Duration = 0
    """Event time without a breach before the alert resolves."""
    severity: Level = Severity.TICKET
    """page, ticket or info."""
    models: Text = "*"
    """Name or glob of the models that the rule is about."""
    segments: Text | None = None
    """Glob of the segments (`region=*`) that are judged each by itself; else the whole model."""
    min_rows: Int = Field(default=1, ge=0)
    """Windows with fewer rows (labelled ones for quality, requests for latency) say nothing."""
    min_completeness: Share | None = None
    """Windows that are less complete say nothing."""
    min_label_coverage: Share | None = None
    """Windows with a smaller share of labelled rows say nothing."""
    labels: dict[str, Text] = Field(default_factory=dict)
    """Added to the labels of the alert."""
    runbook_url: Text | None = None
    """Where on-call reads on."""

    @model_validator(mode="after")
    def _one_way_to_fire(self) -> RuleSettings:
        if self.slo is not None:
            if self.metric is not None or self.when is not None:
                raise ValueError("a rule has either `slo` or `metric` and `when`, not both")
        elif self.metric is None or self.when is None:
            missing = "metric" if self.metric is None else "when"
            raise ValueError(f"a rule needs `{missing}` (or `slo`)")
        return self

    @property
    def path(self) -> MetricPath:
        """The metric's path, read."""
        assert self.metric is not None  # the caller asks rules without an slo only
        return parse_metric(self.metric)
