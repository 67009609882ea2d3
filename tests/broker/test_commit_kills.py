"""A process killed between any two numbered steps of the commit protocol changes no count."""

import random
from contextlib import nullcontext

import pytest
from commit_rig import CommitRig
from engine_driver import POINTS
from fault_feed import FaultFeed
from live_results import LiveResults

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix)
    yield rig
    rig.close()


def check_lives(rig, seed, kills, batches_a_life, flow=nullcontext):
    """Kill at each point in turn, with new input before every life; the lives' own lines."""
    feed = FaultFeed(rig.settings, seed)
    feed.send(batches_a_life)
    driver = rig.driver(*(part for kill in kills for part in ("--kill", kill)))
    lives = []
    with flow(feed):
        for line in driver.stdout:
            lives.append(line.strip())
            print(line, end="")
            if "last life" in line:
                break
            if flow is nullcontext:
                feed.send(batches_a_life)
    assert len(lives) == len(kills) + 1, f"{lives}\n{rig.tail()}"
    feed.close()
    with LiveResults(rig.settings) as live:
        truth = rig.settled(feed, live)
        assert not live.went_down
        assert not live.shrank
    assert rig.stop(driver) == 0
    assert truth.total("rows") > 0 and truth.total("duplicates") > 0 and truth.total("lost") > 0
    print(
        f"seed {seed}: {len(kills)} kills; {feed.sent.rows} rows, "
        f"{truth.total('duplicates')} resent, {truth.total('lost')} lost, "
        f"{rig.repaired()} records read from the log; {len(truth.windows)} windows equal"
    )
    assert rig.repaired() > 0, "every life begins with a hole"
    return feed


@pytest.mark.timeout(180)
def test_a_kill_between_each_two_steps_changes_no_count(rig):
    check_lives(rig, seed=1, kills=[f"{point}:2" for point in POINTS], batches_a_life=25)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_kill_anywhere_changes_no_count(rig, seed):
    rnd = random.Random(seed)
    kills = []
    for point in rnd.choices(list(POINTS), k=20):
        # A life loads its twelve partitions once, and has a hole in those that hold something.
        once = point in ("1-load", "2-skip", "3-mend")
        kills.append(f"{point}:{rnd.randint(1, 4 if once else 12)}")
    check_lives(rig, seed, kills, batches_a_life=60, flow=FaultFeed.flowing)
