"""Real workers under load: rebalances, a zombie, SIGTERM, and a broker that dies."""

import os
import signal
import time

import pytest
from commit_rig import CommitRig
from eventually import eventually
from fault_feed import FaultFeed
from live_results import LiveResults

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix)
    yield rig
    rig.close()


def check(rig, feed, live, timeout_s=60):
    """All windows equal the recompute; prints what it took."""
    feed.close()
    truth = rig.settled(feed, live, timeout_s)
    print(
        f"{feed.sent.rows} rows, {rig.repaired()} records read again from the log, "
        f"{rig.said('given up')} partitions given up, {rig.said('loading what it')} refused, "
        f"{live.records} results, {len(truth.windows)} windows equal in every field"
    )
    return truth


def at_work(live, more=10):
    """Wait until more results are published."""
    before = live.records
    eventually(lambda: live.read() and live.records >= before + more, 60)


def test_workers_that_come_and_go_share_the_work_and_lose_nothing(rig):
    feed = FaultFeed(rig.settings, seed=21)
    feed.send(20)
    with LiveResults(rig.settings) as live:
        workers = [rig.worker()]
        with feed.flowing():
            at_work(live)
            workers += [rig.worker(), rig.worker()]
            eventually(lambda: rig.said("given up") > 0, 40)
            at_work(live)
            before = feed.sent.rows
            began = time.monotonic()
            codes = [rig.stop(worker) for worker in workers[1:]]
            print(f"SIGTERM: ended in {time.monotonic() - began:.1f} s for two")
            assert codes == [0, 0]
            at_work(live)
            assert feed.sent.rows > before
        check(rig, feed, live)
        assert not live.shrank
    assert rig.stop(workers[0]) == 0


def test_a_zombie_that_wakes_up_does_no_harm(rig):
    feed = FaultFeed(rig.settings, seed=22)
    feed.send(20)
    with LiveResults(rig.settings) as live:
        workers = [rig.worker(), rig.worker()]
        with feed.flowing():
            at_work(live)
            eventually(lambda: rig.said("loaded at offset") >= 12, 40)
            before = feed.sent.rows
            os.kill(workers[0].pid, signal.SIGSTOP)
            # Past the session time-out the other one takes all over, and publishes.
            time.sleep(10)
            at_work(live)
            os.kill(workers[0].pid, signal.SIGCONT)
            at_work(live)
            assert feed.sent.rows > before
        check(rig, feed, live)
        assert rig.said("loading what it") > 0, "nobody was refused"
    assert [rig.stop(worker) for worker in workers] == [0, 0]


def test_kafka_killed_and_started_again_loses_nothing(rig, real_kafka):
    feed = FaultFeed(rig.settings, seed=23)
    feed.send(20)
    with LiveResults(rig.settings) as live:
        worker = rig.worker()
        with feed.flowing():
            at_work(live)
            real_kafka.kill()
            time.sleep(3)
            real_kafka.start()
            at_work(live)
        check(rig, feed, live)
        assert not live.shrank
    assert worker.poll() is None
    assert rig.stop(worker) == 0


def test_sigterm_ends_a_worker_in_time_though_kafka_hangs(rig, real_kafka):
    feed = FaultFeed(rig.settings, seed=24)
    feed.send(20)
    with LiveResults(rig.settings) as live:
        worker = rig.worker()
        with feed.flowing():
            at_work(live)
        real_kafka.pause()
        try:
            time.sleep(2)
            began = time.monotonic()
            assert rig.stop(worker) == 0
            print(f"SIGTERM with a Kafka that hangs: ended in {time.monotonic() - began:.1f} s")
        finally:
            real_kafka.resume()
        again = rig.worker()
        check(rig, feed, live)
    assert rig.stop(again) == 0
