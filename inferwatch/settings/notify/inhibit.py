"""Inhibition: while one alert fires, others that follow from it are not told."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from inferwatch.settings.notify.labels import LabelName, MatcherText, Pattern, all_matchers
from inferwatch.settings.notify.matchers import Matcher
from inferwatch.settings.section import Remark, Section
from inferwatch.settings.types import Text


class InhibitRule(Section):
    """While a source fires, targets with equal labels are held back."""

    source_matchers: tuple[MatcherText, ...] = ()
    """Which alerts hold others back."""
    source_match: dict[LabelName, Text] = Field(default={})
    """The older form of `source_matchers`."""
    source_match_re: dict[LabelName, Pattern] = Field(default={})
    """The older form, with regular expressions."""
    target_matchers: tuple[MatcherText, ...] = ()
    """Which alerts are held back."""
    target_match: dict[LabelName, Text] = Field(default={})
    """The older form of `target_matchers`."""
    target_match_re: dict[LabelName, Pattern] = Field(default={})
    """The older form, with regular expressions."""
    equal: tuple[LabelName, ...] = ()
    """Labels that source and target must have in common; lacking it on both sides counts too."""

    @property
    def source(self) -> tuple[Matcher, ...]:
        """All conditions on the source."""
        return all_matchers(self.source_match, self.source_match_re, self.source_matchers)

    @property
    def target(self) -> tuple[Matcher, ...]:
        """All conditions on the target."""
        return all_matchers(self.target_match, self.target_match_re, self.target_matchers)

    def surprises(self) -> Iterator[Remark]:
        """A side without conditions stands for every alert."""
        for side, conditions in (("source", self.source), ("target", self.target)):
            if not conditions:
                yield Remark((), f"no {side}_matchers: every alert is a {side} of this rule")
