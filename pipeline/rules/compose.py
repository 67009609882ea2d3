"""Alert events made of what was judged: fired, resolved, corrected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from inferwatch.events.alert import Alert, AlertWindow, Evidence, Status
from inferwatch.events.json_codec import dumps, from_plain
from inferwatch.events.window import WindowResult
from pipeline.diagnosis.view import Diagnosis
from pipeline.diagnosis.wording import number
from pipeline.rules import summary
from pipeline.rules.detector import Watch
from pipeline.rules.identity import fingerprint, incident_id
from pipeline.rules.kinds import confirmed_kind, kind_of
from pipeline.rules.related import shown
from pipeline.rules.track import Episode
from pipeline.rules.verdict import Finding, Told, Verdict
from pipeline.rules.watched import WatchedModel

MAX_FINDINGS = 10
MAX_EVIDENCE = 20


def fire(
    watch: Watch,
    model: WatchedModel,
    result: WindowResult,
    episode: Episode,
    verdict: Verdict,
    diagnosis: Diagnosis,
) -> Alert:
    """The alert of an incident that begins."""
    worst, first = verdict.findings[0], diagnosis.causes[0]
    kind = watch.kind or confirmed_kind(kind_of(worst.metric), first.cause)
    print_ = fingerprint(watch.name, result.model, result.version, result.segment, watch.metric)
    labels = {
        **model.tags,
        **watch.labels,
        "alertname": watch.name,
        "model": result.model,
        "version": result.version,
        "severity": str(watch.severity),
        "kind": str(kind),
    }
    if result.segment is not None:
        labels["segment"] = result.segment
    return Alert(
        fingerprint=print_,
        incident=incident_id(print_, episode.starts_at),
        status=Status.FIRING,
        severity=watch.severity,
        starts_at=episode.starts_at,
        ends_at=None,
        updated_at=result.end,
        rule=watch.name,
        kind=kind,
        model=result.model,
        version=result.version,
        segment=result.segment,
        window=_window(result),
        metric=worst.metric,
        value=worst.value,
        baseline=worst.baseline,
        threshold=worst.threshold,
        rows=_rows(worst, result),
        completeness=result.completeness,
        labels=labels,
        summary=summary.fired(result, verdict, began(verdict, episode), first),
        evidence=(*diagnosis.evidence, *_as_evidence(verdict, diagnosis))[:MAX_EVIDENCE],
        causes=diagnosis.causes,
        suggestions=diagnosis.suggestions,
        runbook_url=watch.runbook_url,
    )


def began(verdict: Verdict, episode: Episode) -> int:
    """When the bad time began, as far as the detector knows better than its first bad window."""
    known = None if verdict.told is None else verdict.told.began
    return episode.starts_at if known is None else known


def with_words(diagnosis: Diagnosis, told: Told | None) -> Diagnosis:
    """The diagnosis with what the detector says itself: its evidence first, its advice last."""
    if told is None:
        return diagnosis
    metrics = {e.metric for e in told.evidence}
    return replace(
        diagnosis,
        evidence=(*told.evidence, *(e for e in diagnosis.evidence if e.metric not in metrics)),
        suggestions=(*diagnosis.suggestions, *told.suggestions),
    )


def story_of(alert: Alert, verdict: Verdict) -> dict[str, Any]:
    """What later transitions need of the alert that fired, in plain values."""
    return {
        "alert": orjson.loads(dumps(alert)),
        "told": verdict.findings[0].as_plain(),
        "shows": shown(alert),
    }


def refined(story: dict[str, Any], diagnosis: Diagnosis) -> dict[str, Any]:
    """The story with the newer causes, where they are surer than what was told."""
    told = story["alert"]["causes"]
    if told and told[0]["confidence"] >= diagnosis.causes[0].confidence:
        return story
    newer = orjson.loads(dumps(diagnosis))
    return {**story, "alert": {**story["alert"], **newer}}


def resolve(
    watch: Watch, result: WindowResult, episode: Episode, verdict: Verdict, ends_at: int
) -> Alert:
    """The alert of an incident that ended; `ends_at` is the end of its last bad window."""
    alert, told = _told(episode)
    now = verdict.findings[0] if verdict.findings else None
    cause = alert.causes[0] if alert.causes else None
    return replace(
        _again(alert, Status.RESOLVED, result, ends_at, now),
        summary=summary.resolved(result, told, now, ends_at - alert.starts_at, cause),
    )


def fall_silent(watch: Watch, episode: Episode, result: WindowResult) -> Alert:
    """The alert of an incident whose windows stopped coming; `result` is another's window."""
    alert, told = _told(episode)
    own = replace(result, version=alert.version, segment=alert.segment)
    return replace(
        alert,
        status=Status.RESOLVED,
        ends_at=result.end,
        updated_at=result.end,
        summary=summary.silent(own, told, result.end - alert.starts_at),
    )


def correct(
    watch: Watch, result: WindowResult, episode: Episode, verdict: Verdict, clock: int
) -> Alert:
    """The alert of an incident that later events overturned; `clock` is the last judged end."""
    alert, told = _told(episode)
    now = verdict.findings[0] if verdict.findings else None
    return replace(
        _again(alert, Status.CORRECTED, result, clock, now),
        updated_at=clock,
        summary=summary.corrected(result, told, now, alert.starts_at),
    )


def _again(
    alert: Alert, status: Status, result: WindowResult, ends_at: int, now: Finding | None
) -> Alert:
    return replace(
        alert,
        status=status,
        ends_at=max(alert.starts_at, ends_at),
        updated_at=result.end,
        window=_window(result),
        metric=alert.metric if now is None else now.metric,
        value=None if now is None else now.value,
        baseline=alert.baseline if now is None else now.baseline,
        threshold=alert.threshold if now is None else now.threshold,
        rows=result.rows if now is None else _rows(now, result),
        completeness=result.completeness,
    )


def _told(episode: Episode) -> tuple[Alert, Finding]:
    return from_plain(Alert, episode.story["alert"]), Finding(*episode.story["told"])


def _window(result: WindowResult) -> AlertWindow:
    return AlertWindow(
        window=result.window, start=result.start, end=result.end, revision=result.revision
    )


def _rows(found: Finding, result: WindowResult) -> int:
    return result.rows if found.rows is None else found.rows


def _apart(found: Finding) -> str:
    if found.difference is None or found.baseline is None:
        return ""
    low, high = found.difference
    return (
        f"; the version beside it has {number(found.baseline)}: a difference of "
        f"{number(found.value - found.baseline)} (95 % interval {number(low)} to {number(high)})"
    )


def _as_evidence(verdict: Verdict, diagnosis: Diagnosis) -> list[Evidence]:
    known = {e.metric for e in diagnosis.evidence}
    return [
        Evidence(
            text=f"{f.metric} is {number(f.value)}, threshold {number(f.threshold)}{_apart(f)}",
            metric=f.metric,
            before=f.baseline,
            after=f.value,
        )
        for f in verdict.findings[:MAX_FINDINGS]
        if f.metric not in known or f.difference is not None
    ]
