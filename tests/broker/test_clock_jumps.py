"""Senders whose clocks jump while they send: an hour ahead, an hour back, a little ahead."""

import time

import orjson
import pytest
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import CONFIG, PARTITIONS, FaultFeed
from live_results import LiveResults
from log_counts import check_counters, dead_letters
from recompute import read_topic

from inferwatch import topics

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]

HOUR = 3_600_000
AHEAD = 1_500
FUTURE = 3_000
"""`limits.future`: it lets AHEAD pass, and the hour not."""

LATENESS = 1_000
ROWS = 150
"""Rows that a wrong clock stamps before it is set right."""


def config(restate):
    found = CONFIG.replace("{{idle: 60s}}", "{{idle: 2s, future: 3s}}")
    found = found.replace("restate: 10m, history: 1h", f"restate: {restate}, history: 3h")
    assert "future" in found and f"restate: {restate}, history: 3h" in found
    return found


def wall_clock():
    return time.time_ns() // 1_000_000


# What is an hour late is published once in 36 s, which is 1 % of its age.
@pytest.mark.parametrize("restate", ["10m", pytest.param("2h", marks=pytest.mark.soak)])
def test_a_clock_that_jumps_loses_no_row_and_moves_no_other(
    tmp_path, real_kafka, redis_server, prefix, restate
):
    """What is an hour ahead is rejected, what is an hour late goes where `restate` lets it."""
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix, config(restate))
    try:
        check(rig, takes_an_hour_late=restate == "2h")
    finally:
        rig.close()


def check(rig, *, takes_an_hour_late):
    feed = FaultFeed(rig.settings, seed=31, clock=wall_clock)
    worker = rig.worker()
    with LiveResults(rig.settings) as live:
        with feed.flowing(every_s=0.02):
            eventually(lambda: live.read(), 60)
            wrong(feed, {0: HOUR, 1: -HOUR})
            wrong(feed, dict.fromkeys(range(PARTITIONS), AHEAD))
            feed.wrong_by = {}
            right = feed.sent.rows
            eventually(lambda: feed.sent.rows > right + ROWS)
        feed.end()
        feed.ends_before = feed.now + AHEAD + 2_000
        truth = rig.settled(feed, live, 80)
    counts = check_counters(rig, future_ms=FUTURE)
    assert rig.stop(worker) == 0
    letters = dead_letters(rig.settings)
    assert counts.letters["future"] >= ROWS
    assert truth.total("rows") == counts.good - counts.too_late
    if takes_an_hour_late:
        assert counts.too_late == 0
        assert (truth.total("duplicates"), truth.total("lost")) == (counts.duplicates, counts.lost)
    else:
        assert counts.too_late >= ROWS
    assert no_window_came_early(rig.settings) > 0
    print(
        f"wrong clocks: {dict(feed.sent.wrong)} rows by milliseconds, of {feed.sent.rows}; "
        f"{counts.letters['future']} predictions rejected as future, "
        f"{sum(n for (_, reason), n in letters.items() if reason == 'future')} events in all; "
        f"{counts.too_late} too late; {len(truth.windows)} windows equal"
    )


def wrong(feed, by):
    """Set clocks wrong, until each has stamped enough rows."""
    before = feed.sent.wrong.copy()
    feed.wrong_by = by
    eventually(lambda: all(feed.sent.wrong[ms] - before[ms] > ROWS for ms in by.values()))
    feed.wrong_by = {}


def no_window_came_early(settings):
    """The watermark stayed below the wall clock; how many results were looked at."""
    found = 0
    for records in read_topic(settings, topics.WINDOWS).values():
        for record in records:
            window = orjson.loads(record.value)
            assert record.timestamp >= window["end"] + LATENESS, window
            found += 1
    return found
