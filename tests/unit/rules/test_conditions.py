"""What the config's rules accept, and what they say of the rest."""

import pytest
from pydantic import ValidationError

from inferwatch.settings.conditions import parse_baseline, parse_condition
from inferwatch.settings.metric_path import parse_metric
from inferwatch.settings.rules import RuleSettings


@pytest.mark.parametrize(
    ("text", "operator", "comparison", "limit", "relative"),
    [
        ("< 0.80", "<", "<", 0.8, False),
        ("<=0.8", "<=", "<=", 0.8, False),
        ("> 250", ">", ">", 250.0, False),
        (">= -1.5e3", ">=", ">=", -1500.0, False),
        ("drop > 0.05", "drop", ">", 0.05, False),
        ("drop >= 0.05", "drop", ">=", 0.05, False),
        ("drop > 10%", "drop", ">", 0.1, True),
        ("rise > 0.05", "rise", ">", 0.05, False),
        ("rise > 10 %", "rise", ">", 0.1, True),
        ("ratio > 2", "ratio", ">", 2.0, False),
        ("ratio < 0.5", "ratio", "<", 0.5, False),
        (" unusual ", "unusual", ">", 0.0, False),
    ],
)
def test_when(text, operator, comparison, limit, relative):
    condition = parse_condition(text)
    assert (condition.operator, condition.comparison) == (operator, comparison)
    assert (condition.limit, condition.relative) == (pytest.approx(limit), relative)
    assert condition.text == text.strip()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("drop", "allowed are"),
        ("0.80", "allowed are"),
        ("== 3", "allowed are"),
        ("< five", "allowed are"),
        ("< 80%", "write < 0.8"),
        ("drop < 0.05", "compared with >"),
        ("ratio > 200%", "write 2"),
        ("drop > -1", "not below 0"),
    ],
)
def test_a_wrong_when_says_what_is_allowed(text, says):
    with pytest.raises(ValueError, match=says):
        parse_condition(text)


def test_baselines():
    assert parse_baseline("reference").kind == "reference"
    assert parse_baseline("previous").kind == "previous"
    assert parse_baseline("rolling:1d").span == 86_400_000
    # A version may hold colons.
    assert parse_baseline("version:2024:a").version == "2024:a"


@pytest.mark.parametrize("text", ["rolling", "rolling:", "rolling:0", "version:", "yesterday"])
def test_a_wrong_baseline_is_refused(text):
    with pytest.raises(ValueError, match=r"allowed are|longer than 0"):
        parse_baseline(text)


@pytest.mark.parametrize(
    ("text", "block", "name", "key"),
    [
        ("quality.accuracy", "quality", None, "accuracy"),
        ("quality.per_class.late.recall", "quality.per_class", "late", "recall"),
        ("latency.p99_ms", "latency", None, "p99_ms"),
        ("features.*.psi", "features", "*", "psi"),
        ("features.user.age.missing_rate", "features", "user.age", "missing_rate"),
        ("prediction.entropy", "prediction", None, "entropy"),
        ("scores.fraud.mean", "scores", "fraud", "mean"),
        ("resources.rss_bytes.max", "resources", "rss_bytes", "max"),
        ("rows", "", None, "rows"),
        ("completeness", "", None, "completeness"),
    ],
)
def test_metric_paths(text, block, name, key):
    path = parse_metric(text)
    assert (path.block, path.name, path.key) == (block, name, key)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("quality.acuracy", "did you mean accuracy"),
        ("latncy.p99_ms", "did you mean latency"),
        ("features.psi", "reads features.NAME.KEY"),
        ("features.amount.p99_ms", "comes one of"),
        ("", "begins with one of"),
        ("rows.count", "begins with one of"),
    ],
)
def test_a_wrong_metric_says_what_is_allowed(text, says):
    with pytest.raises(ValueError, match=says):
        parse_metric(text)


def rule(**keys):
    return RuleSettings.model_validate({"name": "r", "metric": "rows", "when": "< 1", **keys})


def test_a_rule_of_all_keys():
    full = rule(
        metric="features.*.psi",
        when="> 0.2",
        window="15m/1m",
        keep_firing_for="5m",
        severity="page",
        models="fraud-*",
        segments="region=*",
        min_rows="500",
        min_completeness="0.95",
        min_label_coverage="0.5",
        labels={"team": "risk"},
        runbook_url="https://runbooks/drift",
        **{"for": "2m"},
    )
    assert (full.for_, full.keep_firing_for) == (120_000, 300_000)
    assert full.window is not None and full.window.slide == 60_000
    assert (full.min_rows, full.min_completeness, full.min_label_coverage) == (500, 0.95, 0.5)


@pytest.mark.parametrize(
    "keys",
    [
        {"severity": "critical"},
        {"min_rows": -1},
        {"min_completeness": 95},
        {"min_label_coverage": "-0.1"},
        {"window": "1m/5m"},
        {"for": "soon"},
        {"color": "red"},
        {"metric": None},
        {"when": None},
        {"slo": {"metric": "latency.error_rate", "objective": 99.5}},
    ],
)
def test_a_wrong_key_is_refused(keys):
    with pytest.raises(ValidationError):
        rule(**keys)


def test_an_objective_stands_alone():
    slo = {"metric": "latency.slow_rate", "over": "300ms", "objective": "99.5", "period": "30d"}
    assert rule(metric=None, when=None, slo=slo).slo.over == 300
    assert rule(metric=None, when=None, slo={"metric": "quality.accuracy", "objective": 95}).slo
    for wrong in (
        {"objective": 100},
        {"over": None},
        {"metric": "latency.error_rate"},
        {"metric": "quality.mae", "over": None},
        {"period": "0s"},
    ):
        with pytest.raises(ValidationError):
            rule(metric=None, when=None, slo={**slo, **wrong})
