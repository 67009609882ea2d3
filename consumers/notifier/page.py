"""A page: one alert as the person on call reads it, whatever the channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consumers.notifier.transition import Transition

# What a sign of life is, beside the kinds of alerts.
KIND_HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to do next."""

    text: str
    command: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of a page, in the order in which they are read.

    Attributes:
        headline: severity, status and the sentence.
        facts: name and value of what is known: model, value against threshold, window, times.
        evidence: what was measured.
        causes: what it may be, the likeliest first, each with its confidence and why.
        suggestions: what to do next.
        links: name and address.
    """

    headline: str
    facts: tuple[tuple[str, str], ...]
    evidence: tuple[str, ...]
    causes: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    links: tuple[tuple[str, str], ...]


def page_of(alert: Transition) -> Page:
    """The page of an alert; what the event lacks is left out."""
    event = alert.event
    causes = sorted(_objects(event.get("causes")), key=lambda c: -_number(c.get("confidence")))
    return Page(
        headline=_clean(_headline(alert)).strip(),
        facts=tuple(_facts(alert)),
        evidence=tuple(_clean(e.get("text", "")) for e in _objects(event.get("evidence"))),
        causes=tuple(_cause(c) for c in causes),
        suggestions=tuple(
            Suggestion(_clean(s.get("text", "")), _text(s.get("command")), _text(s.get("url")))
            for s in _objects(event.get("suggestions"))
        ),
        links=tuple(
            (name, _clean(event[key]))
            for name, key in (("dashboard", "dashboard_url"), ("runbook", "runbook_url"))
            if event.get(key)
        ),
    )


def page_text(page: Page) -> str:
    """The page as plain text."""
    lines = [page.headline, ""]
    lines += [f"{name}: {value}" for name, value in page.facts]
    if page.evidence:
        lines += ["", "Evidence", *(f"- {e}" for e in page.evidence)]
    if page.causes:
        lines += ["", "Probable causes", *(f"- {c}" for c in page.causes)]
    if page.suggestions:
        lines += ["", "What to do"]
        for suggestion in page.suggestions:
            lines.append(f"- {suggestion.text}")
            lines += [f"  $ {suggestion.command}"] if suggestion.command else []
            lines += [f"  {suggestion.url}"] if suggestion.url else []
    if page.links:
        lines += ["", *(f"{name}: {url}" for name, url in page.links)]
    return "\n".join(lines)


def brief(alert: Transition) -> str:
    """An alert in one line."""
    until = "" if alert.ends_at is None else f", until {clock(alert.ends_at)}"
    link = alert.event.get("dashboard_url")
    where = f" {_clean(link)}" if link else ""
    return f"{page_of(alert).headline} (since {clock(alert.starts_at)}{until}){where}"


def _headline(alert: Transition) -> str:
    if alert.event.get("kind") == KIND_HEARTBEAT:
        return alert.summary
    return f"{alert.severity.upper()} {alert.status}: {alert.summary}"


def _facts(alert: Transition) -> list[tuple[str, str]]:
    event = alert.event
    model = " ".join(
        _clean(part)
        for part in (event.get("model"), event.get("version"), event.get("segment"))
        if part is not None
    )
    facts = [("model", model)] if model else []
    if event.get("metric"):
        facts.append((_clean(event["metric"]), _measured(event)))
    window = event.get("window")
    if isinstance(window, Mapping) and isinstance(window.get("end"), int):
        facts.append(("window", f"{_clean(window.get('window', ''))} until {clock(window['end'])}"))
    facts.append(("since", clock(alert.starts_at)))
    if alert.ends_at is not None:
        facts.append(("until", clock(alert.ends_at)))
    facts.append(("incident", _clean(alert.incident)))
    return facts


def _measured(event: Mapping[str, Any]) -> str:
    said = [_short(event.get("value"))]
    for name in ("threshold", "baseline"):
        if event.get(name) is not None:
            said.append(f"{name} {_short(event[name])}")
    if event.get("rows"):
        said.append(f"{event['rows']} rows")
    completeness = event.get("completeness")
    if isinstance(completeness, (int, float)) and completeness < 1:
        said.append(f"{completeness:.1%} of them seen")
    return ", ".join(said)


def _cause(cause: Mapping[str, Any]) -> str:
    why = f": {_clean(cause['why'])}" if cause.get("why") else ""
    return f"{_clean(cause.get('cause', 'unknown'))} ({_number(cause.get('confidence')):.0%}){why}"


def clock(ms: int) -> str:
    """A time as a person reads it.

    >>> clock(1764000000123)
    '2025-11-24 16:00:00 UTC'
    """
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def cut(text: str, characters: int) -> str:
    """At most so many characters, the last one a sign that more was there.

    >>> cut("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _clean(value: Any) -> str:
    """One line without control characters: a feature's name may come from anybody's traffic."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def _short(value: Any) -> str:
    return (
        f"{value:.4g}" if isinstance(value, float) else "none" if value is None else _clean(value)
    )


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _text(value: Any) -> str | None:
    return _clean(value) if value else None
