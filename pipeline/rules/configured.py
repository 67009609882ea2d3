"""A rule of the config as the detectors that it makes of one model."""

from __future__ import annotations

from collections.abc import Sequence

from inferwatch.settings.rules import RuleSettings
from pipeline.rules.burn import bind_objective
from pipeline.rules.detector import Detector
from pipeline.rules.threshold import bind
from pipeline.rules.watched import WatchedModel


def configured(rule: RuleSettings, model: WatchedModel) -> Sequence[Detector]:
    """The rule, bound to the model; none where it is about other models."""
    if rule.slo is not None:
        return bind_objective(rule, model)
    detector = bind(rule, model)
    return () if detector is None else (detector,)
