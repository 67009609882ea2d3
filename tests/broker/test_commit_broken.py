"""The commit protocol broken on purpose: the fault tests would see each break.

`acknowledge-first` is missing here: by design the acknowledgement is only a hint, and what was
acknowledged too early is read from the log. That no record is acknowledged before it is written is
tested in tests/unit/commit.
"""

import time

import pytest
import redis
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import FaultFeed
from live_results import LiveResults, Truth
from redis_history import go_back, snapshot

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(180)]


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix)
    yield rig
    rig.close()


def wrong_counts(rig, broken, fault=lambda feed: None):
    """The differences that are left when a broken engine has gone through a fault."""
    feed = FaultFeed(rig.settings, seed=31)
    feed.send(40)
    driver = rig.driver("--break", broken)
    with LiveResults(rig.settings) as live:
        with feed.flowing():
            eventually(lambda: len(live.read()) > 20, 60)
            fault(feed)
        feed.close()
        truth = Truth(rig.settings, feed.ends_before)

        last = max(window["end"] for window in truth.windows.values())

        def ended():
            assert driver.poll() is None, rig.tail()
            return any(window["end"] >= last for window in live.read().values())

        eventually(ended, 40, every_s=0.5)
        # Longer than a revision takes: what is wrong now stays wrong.
        time.sleep(8)
        wrong = truth.differences(live.read())
    print(f"{broken}: {len(wrong)} differences, such as {wrong[:2]}")
    return wrong


def test_without_the_sequence_check_resent_rows_count_twice(rig):
    assert any(": rows: " in line for line in wrong_counts(rig, "no-sequence-check"))


def test_without_reading_holes_rows_are_missing(rig):
    # Every life of the engine begins a little further than it should, as Faust sometimes does.
    assert any(": rows: " in line for line in wrong_counts(rig, "no-hole-reading"))


def test_where_the_higher_offset_wins_a_failover_loses_rows(rig, redis_server, prefix):
    def failover(feed):
        with redis.Redis.from_url(redis_server.url) as client:
            held = snapshot(client, prefix)
            before = feed.sent.rows
            eventually(lambda: feed.sent.rows > before + 200)
            time.sleep(1.5)
            go_back(client, prefix, held)
            time.sleep(3)

    wrong = wrong_counts(rig, "higher-offset-wins", failover)
    assert any(": rows: " in line for line in wrong)


def test_where_records_delivered_twice_count_twice_rows_are_too_many(rig):
    assert any(": " in line for line in wrong_counts(rig, "duplicates-in-a-batch"))
