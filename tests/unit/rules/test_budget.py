"""Limits follow from the stated budget: more false alarms allowed, smaller faults found."""

import numpy as np
import pytest

from benchmarks._detection_faults import FAULTS
from benchmarks.fault_table import trial
from inferwatch.events.alert import Severity
from pipeline.rules.budget import Allowance, Budget, sum_limit
from pipeline.rules.builtin import ENTRIES, allowance_of

MINUTE = 60_000


def test_a_larger_budget_lowers_every_limit():
    small, large = (Allowance.of(b, detectors=4, slide=MINUTE) for b in (1, 100))
    assert large.far(20) < small.far(20)
    assert large.rare(20) == 100 * small.rare(20)
    assert sum_limit(1.2, large.run(40)) < sum_limit(1.2, small.run(40))


def test_pages_and_tickets_have_budgets_of_their_own():
    page = allowance_of(Severity.PAGE, Budget(pages=7, tickets=0), MINUTE)
    ticket = allowance_of(Severity.TICKET, Budget(pages=7, tickets=0), MINUTE)
    assert page.alarms == 7 / (1 + sum(e.severity is Severity.PAGE for e in ENTRIES))
    assert 0 < ticket.alarms < 0.01, "nothing is taken as nearly nothing: 0 would be deaf"


def test_rarer_windows_make_fewer_tests_and_lower_limits():
    often, seldom = (Allowance.of(2, detectors=8, slide=s) for s in (MINUTE, 60 * MINUTE))
    assert seldom.far(20) < often.far(20)


@pytest.mark.parametrize("slack", [1.2, 2.0])
def test_a_sum_of_chance_crosses_about_as_seldom_as_its_limit_says(slack):
    run, windows = 2_000, 400_000
    limit = sum_limit(slack, run)
    total, crossed = 0.0, 0
    for score in np.random.default_rng(3).normal(size=windows).tolist():
        total = max(0.0, total + score - slack)
        if total > limit:
            crossed, total = crossed + 1, 0.0
    # The margin makes it rarer: by exp(2 x slack) and no more.
    assert windows / run / np.exp(2.5 * slack) <= crossed + 1 <= windows / run


def fault(name):
    return next(f for f in FAULTS if f.name == name)


def test_the_budget_of_the_config_decides_when_a_small_drift_makes_a_ticket():
    frugal, generous = (trial(fault("0.1 sigma"), 3, budget=(1, b)) for b in (2, 20_000))
    assert generous.windows < frugal.windows


def test_the_budget_of_the_config_decides_when_a_worse_canary_pages():
    canary = fault("canary 4 points worse")
    frugal, generous = (trial(canary, 4, budget=(b, 2)) for b in (0, 20_000))
    assert generous.windows is not None
    assert frugal.windows is None or generous.windows < frugal.windows
