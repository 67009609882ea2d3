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


def test_errors_of_one_version_alone_are_told():
    found = plays(*side_by_side({}, {"errors": 20}))
    assert [(rule, version) for rule, version, _ in found] == [("version-errors", "2")]


def test_versions_are_ordered_as_people_number_them():
    assert sorted(["v10", "v9", "1.10", "1.9"], key=natural) == ["1.9", "1.10", "v9", "v10"]
