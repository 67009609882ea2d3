"""What an alert on a burning error budget says: how fast, how much is left, until when."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Severity, Suggestion
from inferwatch.events.window import WindowResult
from inferwatch.settings.rules import SloSettings
from pipeline.diagnosis.wording import clock, lasted, number, percent
from pipeline.rules.burn_rate import Budget, Burn
from pipeline.rules.kinds import BURN
from pipeline.rules.summary import rate, subject
from pipeline.rules.verdict import Finding, Told, finding

_BUDGET = {
    "latency.slow_rate": "Latency budget",
    "latency.error_rate": "Error budget",
    "quality.accuracy": "Accuracy budget",
}
_PART = {"latency.slow_rate": "slow", "latency.error_rate": "failing"}


def told(burn: Burn, budget: Budget, result: WindowResult, severity: Severity) -> Told:
    """The words of an alert that fires on this burn of the budget."""
    slo, spent, began = budget.slo, budget.spent(), budget.began(burn)
    share, may = percent(burn.bad / burn.total), percent(budget.share)
    long, short = _last(burn.limit.long), _last(burn.limit.short)
    left, period = budget.left(burn), lasted(slo.period)
    gone, until = "is gone", ": the objective is missed"
    if left:
        pace = f"at the rate of the last {short}"
        gone = f"is gone in {lasted(left)} {pace}"
        at = clock(budget.end + left, beside=budget.end)
        until = f"; {pace} the rest is gone in {lasted(left)}, at {at}"
    return Told(
        fact=f"{_BUDGET[slo.metric]} of {subject(result)} burns {rate(burn.rate)} times as fast as "
        "it may",
        began=began,
        more=f": {share} of {_bad(slo)} in the last {long} ({may} may), and the budget of {period} "
        f"{gone}",
        findings=_plain(slo, result),
        evidence=(
            Evidence(
                text=f"{percent(spent)} of the error budget of {period} is spent{until}",
                metric=f"{slo.metric}.spent_share",
                after=spent,
                share=min(1.0, spent),
            ),
            Evidence(
                text=f"{share} of {_bad(slo)} in the last {long} ({burn.bad:,} of {burn.total:,}): "
                f"{rate(burn.long)} times what {slo.objective:g} % allows, and {rate(burn.short)} "
                f"times in the last {short} (threshold {burn.limit.rate:g} in both)",
                metric=f"{slo.metric}{BURN}",
                before=1.0,
                after=burn.rate,
            ),
        ),
        suggestions=(Suggestion(text=_advice(slo, severity, clock(began, beside=budget.end))),),
    )


def _bad(slo: SloSettings) -> str:
    match slo.metric:
        case "latency.slow_rate":
            return f"requests took longer than {number(slo.over)} ms"
        case "latency.error_rate":
            return "requests failed"
        case _:
            return "labelled predictions were wrong"


def _last(span: int) -> str:
    return lasted(span).removeprefix("1 ")


def _advice(slo: SloSettings, severity: Severity, since: str) -> str:
    if severity is Severity.PAGE:
        what = _PART.get(slo.metric, "wrong")
        return (
            f"If it began with a change just before {since}, undo that; else take the {what} part "
            "out of the traffic. Roll nothing else out until the budget lasts again."
        )
    return (
        "Nobody need get up for it: find in working hours what the bad ones have in common, and "
        "roll nothing risky out while the budget goes."
    )


def _plain(slo: SloSettings, result: WindowResult) -> tuple[Finding, ...]:
    """The window's own number, which the causes know and can compare."""
    quality, latency = result.quality, result.latency
    allowed = 1 - slo.objective / 100
    if slo.metric == "quality.accuracy":
        value = getattr(quality, "accuracy", None)
        return () if value is None else (finding(slo.metric, value, "<", 1 - allowed, rows=None),)
    if slo.over is None:
        value = None if latency is None else latency.error_rate
        return () if value is None else (finding(slo.metric, value, ">", allowed, rows=None),)
    value = None if latency is None else latency.p99_ms
    return () if value is None else (finding("latency.p99_ms", value, ">", slo.over, rows=None),)
