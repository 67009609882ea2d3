"""A worker that starts with a long backlog counts each row once, and pages for what goes on."""

import os
import time
from pathlib import Path

import orjson
import pytest
from backlog_feed import MINUTE, PARTITIONS, SPAN, BacklogFeed
from commit_rig import CommitRig
from eventually import eventually
from http_receiver import HttpReceiver
from live_results import LiveResults
from log_counts import check_counters
from notifier_process import told
from recompute import read_topic

from inferwatch import topics
from pipeline.status import read_status

pytestmark = [pytest.mark.broker, pytest.mark.slow]

CONFIG = """
broker: {{url: "kafka://{broker}"}}
redis: {{url: "{redis}"}}
topics: {{prefix: "{prefix}", partitions: 4}}
limits: {{idle: 60s}}
retention: {{restate: 10m, history: 3h}}
defaults: {{windows: [1m, 5m/1m], lateness: 1s, reference: {{learn: off}}}}
models:
  - {{name: m, task: binary, positive: "yes", segments: [region], labels: {{horizon: 10m}}}}
rules:
  - {{name: off, metric: features.x.mean, when: "> 5", window: 1m, severity: page}}
notify:
  route: {{receiver: ops, group_by: ["..."], group_wait: 0s}}
  receivers: [{{name: ops, webhook_configs: [{{url: "HOOK"}}]}}]
"""
AGO = SPAN + 4 * MINUTE
"""How long ago the backlog began: its closing rows are a minute old."""


@pytest.fixture
def hook():
    with HttpReceiver() as hook:
        yield hook


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix, hook):
    config = CONFIG.replace("HOOK", hook.url)
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix, config)
    yield rig
    rig.close()


def check(rig, hook, seed, events):
    began = (time.time_ns() // 1_000_000 - AGO) // MINUTE * MINUTE
    feed = BacklogFeed(rig.settings, seed)
    backlog = feed.send(events, began)
    notifier = rig.run("notify")
    eventually(lambda: rig.said("reading alerts from"), 30)
    # Two rows close the windows of each partition.
    in_flight = backlog.rows + backlog.latencies + 2 * PARTITIONS
    assert counted(rig) == 0, "all rows are to wait for the worker"
    worker = rig.worker()
    eventually(lambda: rig.said("worker: working"), 30)
    before, at = cpu_s(worker.pid), time.monotonic()
    eventually(lambda: counted(rig) == in_flight, 300, every_s=0.5)
    spent, took = cpu_s(worker.pid) - before, time.monotonic() - at
    with LiveResults(rig.settings) as live:
        truth = rig.settled(backlog, live, 120)
        assert not live.went_down and not live.shrank
    counts = check_counters(rig)
    assert counts.too_late == 0
    found = {field: total(truth, field) for field in ("rows", "duplicates", "lost")}
    assert found == {"rows": backlog.rows, "duplicates": backlog.resent, "lost": backlog.lost}
    assert min(found.values()) > 0
    assert counts.letters["malformed"] == backlog.malformed > 0
    check_pages(rig, hook)
    print(
        f"{backlog.rows} predictions and {backlog.latencies} latencies waited, and "
        f"{backlog.resent} sent again; counted in {took:.1f} s, "
        f"{(backlog.rows + backlog.resent + backlog.latencies) / spent:,.0f} rows a CPU-second; "
        f"{backlog.lost} lost, {backlog.malformed} dead letters; {len(truth.windows)} windows equal"
    )
    assert [rig.stop(worker), rig.stop(notifier)] == [0, 0]


def check_pages(rig, hook):
    """One incident was over, one goes on: both are recorded, one is told."""

    def recorded():
        log = read_topic(rig.settings, topics.ALERTS).values()
        alerts = [orjson.loads(record.value) for part in log for record in part]
        assert len(alerts) == 3, alerts
        return alerts

    over, end, goes_on = eventually(recorded, 20)
    assert [over["status"], end["status"], goes_on["status"]] == ["firing", "resolved", "firing"]
    assert over["incident"] == end["incident"] != goes_on["incident"]
    assert over["ends_at"] == end["ends_at"] is not None
    assert goes_on["ends_at"] is None
    assert eventually(lambda: told(hook)) == [(goes_on["incident"], "firing")]


def counted(rig):
    """Prediction and latency rows that are counted by now."""
    return sum(part.rows for part in read_status(rig.settings).partitions)


def total(truth, field):
    """The sum over the windows that tile the time."""
    return sum(
        window[field]
        for window in truth.windows.values()
        if window["window"] == "1m" and window["segment"] is None
    )


def cpu_s(pid):
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.soak
@pytest.mark.timeout(120)
def test_a_backlog_counts_once_and_pages_for_what_goes_on_only(rig, hook):
    check(rig, hook, seed=41, events=100_000)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_backlog_of_a_million_events_counts_once(rig, hook):
    check(rig, hook, seed=42, events=1_000_000)
