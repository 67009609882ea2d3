"""Built-in tests against the stream's own first hours, and against the version beside it."""

import numpy as np
import pytest
from made_windows import MadeModel, latency_of, quality_of, window_of

from pipeline.rules.versions import natural
from pipeline.rules.watch import ModelWatch

CALM = 35
ROWS = 400


def plays(*minutes):
    """The rules that fire while these windows (each minute a list of them) are judged."""
    watch = ModelWatch(MadeModel(), None, retention_ms=86_400_000)
    fired = []
    for windows in minutes:
        for part in ("final", "quality"):
            for window in windows:
                alerts = watch.judge(window, part=part, reference=None)
                fired += [a for a in alerts if str(a.status) == "firing"]
    return [(a.rule, a.version, a.causes[0].cause) for a in fired]


def minute(i, *, columns=("amount",), rss=8e8, p95=20.0, version="1", right=360, errors=0):
    rng = np.random.default_rng(i)
    return window_of(
        i,
        {name: rng.normal(50, 5, ROWS) for name in columns},
        latency=latency_of(p95=p95, errors=errors),
        resources={"rss_bytes": rss * float(rng.normal(1, 0.005))},
        quality=quality_of(right, ROWS),
        version=version,
    )


def test_memory_that_grows_is_told_though_nothing_is_slow_yet():
    calm = [[minute(i)] for i in range(CALM)]
    leak = [[minute(CALM + i, rss=8e8 * (1 + 0.05 * i))] for i in range(12)]
    assert plays(*calm, *leak) == [("resources-high", "1", "memory")]


def test_memory_that_was_always_high_is_not():
    assert plays(*([minute(i, rss=3e10)] for i in range(CALM + 12))) == []


@pytest.mark.parametrize(("ratio", "told"), [(1.3, []), (1.6, ["latency-creep"])])
def test_latency_that_creeps_up_is_measured_by_the_first_hours(ratio, told):
    calm = [[minute(i)] for i in range(CALM)]
    slower = [[minute(CALM + i, p95=20 * (1 + (ratio - 1) * min(1, i / 60)))] for i in range(90)]
    assert [rule for rule, *_ in plays(*calm, *slower)] == told


def test_a_column_that_comes_or_goes_is_a_change_of_the_schema_without_a_reference_too():
    calm = [[minute(i, columns=("amount", "age"))] for i in range(CALM)]
    more = [[minute(CALM + i, columns=("amount", "age", "tax"))] for i in range(4)]
    fewer = [[minute(CALM + i)] for i in range(4)]
    assert [rule for rule, *_ in plays(*calm, *more)] == ["schema-change"]
    assert [rule for rule, *_ in plays(*calm, *fewer)] == ["schema-change"]


def side_by_side(one, other):
    return ([minute(i, **one), minute(i, version="2", **other)] for i in range(30))


def test_the_newer_version_is_judged_by_the_older_one_in_the_same_minute():
    found = plays(*side_by_side({}, {"right": 340}))
    assert found == [("version-worse", "2", "new_version")]


def test_an_older_version_that_is_beaten_is_no_fault():
    assert plays(*side_by_side({"right": 340}, {})) == []


def judged_in_turns(newer_first, together, *, worse=0):
    """A watch and its alerts, where each version's labels come for so many minutes together."""
    watch = ModelWatch(MadeModel(), None, retention_ms=86_400_000)
    fired = []
    for first in range(0, 30, together):
        # Both suffer in every third minute.
        minutes = [(i, 200 if i % 3 == 0 else 380) for i in range(first, first + together)]
        older = [minute(i, right=right) for i, right in minutes]
        newer = [minute(i, version="2", right=right - worse) for i, right in minutes]
        for window in older + newer:
            watch.judge(window, part="final", reference=None)
        for window in newer + older if newer_first else older + newer:
            fired += watch.judge(window, part="quality", reference=None)
        plain = watch.snapshot()
        watch = ModelWatch(MadeModel(), None, retention_ms=86_400_000)
        watch.restore(plain)
    return watch, [a.rule for a in fired if a.rule == "version-worse"]


@pytest.mark.parametrize("newer_first", [False, True])
@pytest.mark.parametrize("together", [1, 3])
def test_versions_are_compared_in_the_same_minute_whoever_s_labels_come_first(
    newer_first, together
):
    assert judged_in_turns(newer_first, together)[1] == []
    assert judged_in_turns(newer_first, together, worse=30)[1] == ["version-worse"]


def sums_against_the_older(watch):
    runs = watch._pasts["version-worse/quality.accuracy", "2", None].runs
    return runs["1"]


def test_what_adds_up_does_not_depend_on_how_many_minutes_are_judged_together():
    one, three = (judged_in_turns(False, n, worse=8)[0] for n in (1, 3))
    assert sums_against_the_older(one) == sums_against_the_older(three)
    assert sums_against_the_older(one).windows


def test_errors_of_one_version_alone_are_told():
    found = plays(*side_by_side({}, {"errors": 20}))
    assert [(rule, version) for rule, version, _ in found] == [("version-errors", "2")]


def test_versions_are_ordered_as_people_number_them():
    assert sorted(["v10", "v9", "1.10", "1.9"], key=natural) == ["1.9", "1.10", "v9", "v10"]
