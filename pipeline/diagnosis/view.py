"""What a cause may look at: the bad window, the reference, and the calm windows before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferwatch.events.alert import AlertKind, Cause, Evidence, Suggestion
from inferwatch.events.reference import ReferenceProfile
from inferwatch.events.window import WindowResult
from pipeline.rules.verdict import Finding

Levels = Mapping[str, float]
"""Metrics by path."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A segment or another version: its levels before the bad time, and in the same window."""

    before: Levels
    now: Levels


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One incident, as the causes see it.

    Attributes:
        kind: of the alert, by its metric.
        findings: what breached, the worst first.
        starts_at: when the bad time began.
        expect: what the config expects of quality.
        before: the last calm window before the bad time; None at the start of a stream.
        usual: medians of the calm windows before; `early`: of the oldest ones still known.
        now: the levels of the bad window.
        segments: by `key=value`, those with rows in the same window.
        versions: the other versions of the model.
        first_seen: end of the first window of each version.
    """

    kind: AlertKind
    result: WindowResult
    starts_at: int
    findings: tuple[Finding, ...] = ()
    reference: ReferenceProfile | None = None
    expect: Levels = field(default_factory=dict)
    before: WindowResult | None = None
    usual: Levels = field(default_factory=dict)
    early: Levels = field(default_factory=dict)
    now: Levels = field(default_factory=dict)
    segments: Mapping[str, Neighbour] = field(default_factory=dict)
    versions: Mapping[str, Neighbour] = field(default_factory=dict)
    first_seen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Examined:
    """What one cause found: how sure it is, what speaks for it, and what to do."""

    cause: Cause
    evidence: tuple[Evidence, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The causes, the likeliest first, with the evidence and suggestions in that order."""

    causes: tuple[Cause, ...]
    evidence: tuple[Evidence, ...]
    suggestions: tuple[Suggestion, ...]


def examined(
    cause: str,
    confidence: float,
    why: str,
    *,
    evidence: tuple[Evidence, ...] = (),
    suggestions: tuple[Suggestion, ...] = (),
) -> Examined:
    """An `Examined` with the confidence rounded to what it is worth: two digits, never certain."""
    return Examined(
        Cause(cause=cause, confidence=round(min(confidence, 0.99), 2), why=why),
        evidence,
        suggestions,
    )
