"""Inhibit: while a source fires, the targets with equal labels are held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consumers.notifier.reason import Hold
from consumers.notifier.stages.route import Route
from inferwatch.settings.notify.inhibit import InhibitRule
from inferwatch.settings.notify.matchers import all_match


class Inhibitor:
    """All inhibit rules over the labels of all alerts that fire now.

    An alert that is both source and target of a rule is not held back by another one that is both:
    so no alert inhibits itself.
    """

    def __init__(self, rules: Sequence[InhibitRule], firing: Sequence[Mapping[str, str]]) -> None:
        """Sort the firing alerts by the rules that they are sources of."""
        self._rules = [
            (
                rule.target,
                rule.source,
                rule.equal,
                [s for s in firing if all_match(rule.source, s)],
            )
            for rule in rules
        ]

    def hold(self, route: Route, labels: Mapping[str, str], now: int) -> Hold | None:
        """Whether a firing source holds an alert with these labels back."""
        for target, source, equal, sources in self._rules:
            if not sources or not all_match(target, labels):
                continue
            both = all_match(source, labels)
            for other in sources:
                same = all(other.get(k, "") == labels.get(k, "") for k in equal)
                if same and not (both and all_match(target, other)):
                    return Hold.INHIBITED
        return None
