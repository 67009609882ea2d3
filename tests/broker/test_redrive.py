"""`inferwatch deadletter redrive` on a real Kafka: rejected, mended, sent again, counted once."""

import json
import time

import pytest
from click.testing import CliRunner
from commit_rig import CommitRig
from decoding import stream
from eventually import eventually
from kafka import KafkaProducer
from live_results import LiveResults
from recompute import read_topic

from inferwatch import topics
from inferwatch.cli import root
from inferwatch.events.kinds import ARROW_STREAM
from inferwatch.redrive.ledger import LedgerWriter, read_ledger
from inferwatch.redrive.plan import Plan
from inferwatch.redrive.post import Post
from inferwatch.redrive.resend import MARKER
from inferwatch.redrive.run import redrive
from inferwatch.settings import load
from pipeline.status import read_status

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180), pytest.mark.usefixtures("quiet")]

SMALL, LARGE = "event_bytes: 200", "event_bytes: 1MiB"
CONFIG = f"""
broker: {{{{url: "kafka://{{broker}}"}}}}
redis: {{{{url: "{{redis}}"}}}}
topics: {{{{prefix: "{{prefix}}", partitions: 1}}}}
limits: {{{{{SMALL}, idle: 2s}}}}
defaults: {{{{windows: [1m], lateness: 1s}}}}
"""
START = (time.time_ns() // 60_000_000_000 - 10) * 60_000
LONG = "x" * 300
ARROW = ("content-type", ARROW_STREAM.encode())


@pytest.fixture
def quiet(restored_logging):
    """Commands of this process set logging up."""


@pytest.fixture
def rig(tmp_path, real_kafka, redis_server, prefix):
    rig = CommitRig(tmp_path, real_kafka, redis_server, prefix, CONFIG)
    yield rig
    rig.close()


@pytest.fixture
def send(rig, real_kafka, prefix):
    """`send(value, header, ...)` one record, key `pod`."""
    producer = KafkaProducer(bootstrap_servers=real_kafka.bootstrap)

    def send(value, *headers):
        topic = f"{prefix}inference.predictions"
        producer.send(topic, key=b"pod", value=value, headers=list(headers)).get(30)

    yield send
    producer.close()


def run(*arguments):
    result = CliRunner().invoke(root, arguments)
    assert "Traceback" not in result.output
    return result


def event(text="", ts=START, **more):
    plain = {"model": "m", "ts": ts, "prediction": "a", "features": {"text": text}, **more}
    return json.dumps(plain).encode()


def columns(rows, text, ts=START):
    same = {"model": "m", "prediction": "a", "features.text": text}
    return stream({name: [value] * rows for name, value in same.items()} | {"ts": [ts] * rows})


def numbered(origin, seq):
    return ("origin", origin.encode()), ("seq", str(seq).encode())


def letters(rig):
    found = run("deadletter", "list", "-c", str(rig.path), "--json")
    return json.loads(found.stdout)["deadletters"]


def mend(rig):
    """The limit of the config is what it should have been."""
    rig.path.write_text(rig.path.read_text().replace(SMALL, LARGE))
    rig.settings = load(str(rig.path))


def counts(live):
    """Rows, duplicates and lost rows of the first minute."""
    for window in live.read().values():
        if window["start"] == START and window["segment"] is None:
            return window["rows"], window["duplicates"], window["lost"]
    return None


def reject_some(rig, send):
    """Three good rows of a minute; two events and a batch of five rows that are rejected.

    The third good row shows the hole that the batch left in the numbers of its sender.
    """
    send(event(), *numbered("json", 0))
    send(event(LONG), *numbered("json", 1), ("x-team", b"risk"))
    send(event(), *numbered("json", 2))
    send(event(LONG, id="one"))
    send(columns(5, LONG), ARROW, *numbered("batches", 0))
    send(event(), *numbered("batches", 5))
    # Another minute: so the first one is final.
    send(event(ts=START + 180_000), *numbered("json", 3))
    worker = rig.worker()
    eventually(lambda: assert_equal(len(letters(rig)), 3), 40)
    assert rig.stop(worker) == 0
    mend(rig)


def lost(rig):
    return sum(part.lost for part in read_status(rig.settings).partitions)


def assert_equal(found, wanted):
    assert found == wanted
    return True


def test_what_was_rejected_counts_once_however_often_it_is_sent_again(rig, send):
    reject_some(rig, send)
    assert lost(rig) == 5
    config = str(rig.path)
    dry = run("deadletter", "redrive", "-c", config, "--dry-run", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)["would_send"]) == (0, 3)
    assert read_ledger(rig.settings).plans == []
    none = run("deadletter", "redrive", "-c", config, "--reason", "no_ts", "--json")
    assert (none.exit_code, json.loads(none.stdout)["sent"]) == (0, 0)
    one = run("deadletter", "redrive", letters(rig)[0]["id"], "-c", config)
    assert one.stdout.startswith("Sent 1 of 1 dead letters"), one.output
    worker = rig.worker()
    with LiveResults(rig.settings) as live:
        for sent, before in ((2, 1), (0, 3)):
            done = run("deadletter", "redrive", "-c", config, "--json")
            assert done.exit_code == 0, done.output
            told = json.loads(done.stdout)
            assert (told["sent"], told["sent_before"], told["chosen"]) == (sent, before, 3)
        eventually(lambda: assert_equal(counts(live), (10, 0, 0)), 40)
    assert lost(rig) == 0
    assert rig.stop(worker) == 0
    assert len(letters(rig)) == 3
    marked = [r for r in log(rig) if "redriven" in dict(r.headers)]
    assert len(marked) == 3
    assert {r.key for r in marked} == {b"pod"}
    assert [dict(r.headers).get("x-team") for r in marked].count(b"risk") == 1


def log(rig):
    return read_topic(rig.settings, topics.PREDICTIONS)[0]


def test_a_run_that_was_broken_off_is_finished_under_the_numbers_that_it_had(rig, send):
    reject_some(rig, send)
    first = [one["id"] for one in letters(rig)][:2]
    post = Post(rig.settings)
    LedgerWriter(rig.settings, post).announce(Plan("redrive-broken", tuple(first)))
    post.close()
    config = str(rig.path)
    done = json.loads(run("deadletter", "redrive", "-c", config, "--json").stdout)
    assert (done["finished"], done["sent"], done["sent_before"]) == (2, 1, 0)
    # As if the broker had got it all, and the run had died before it could write that down.
    post = Post(rig.settings)
    state = topics.STATE.full_name(rig.settings.topics.prefix)
    post.send(state, 0, b"redrive/redrive-broken/done", None, ())
    post.settle()
    post.close()
    done = json.loads(run("deadletter", "redrive", "-c", config, "--json").stdout)
    assert (done["finished"], done["sent"], done["sent_before"]) == (2, 0, 1)
    worker = rig.worker()
    with LiveResults(rig.settings) as live:
        eventually(lambda: assert_equal(counts(live), (10, 2, 0)), 40)
    assert rig.stop(worker) == 0


def test_of_two_who_ask_at_once_the_first_in_the_log_sends(rig, send):
    reject_some(rig, send)
    contested = letters(rig)[0]["id"]
    post = Post(rig.settings)
    rival = Plan("redrive-rival", (contested,))
    names = iter(f"redrive-{n}" for n in range(10))

    def named():
        name = next(names)
        if name == "redrive-0":  # our first plan is not announced yet
            LedgerWriter(rig.settings, post).announce(rival)
        return name

    outcome = redrive(
        rig.settings,
        lambda letter: True,
        new_origin=named,
        dry_run=False,
        progress=lambda total: lambda more: None,
    )
    post.close()
    assert (outcome.chosen, outcome.sent, outcome.before) == (3, 2, 1)
    ledger = read_ledger(rig.settings)
    # What was planned with the rival's letter was taken back, and planned again without it.
    assert [plan.origin for plan in ledger.plans] == ["redrive-rival", "redrive-2", "redrive-3"]
    assert ledger.unfinished == [rival]
    marked = [dict(r.headers)["redriven"].decode() for r in log(rig) if MARKER in dict(r.headers)]
    assert len(marked) == 2 and contested not in marked


def test_what_is_rejected_again_is_a_new_dead_letter(rig, send):
    reject_some(rig, send)
    rig.path.write_text(rig.path.read_text().replace(LARGE, SMALL))
    before = {one["id"] for one in letters(rig)}
    assert run("deadletter", "redrive", "-c", str(rig.path)).exit_code == 0
    worker = rig.worker()
    eventually(lambda: assert_equal(len(letters(rig)), 6), 40)
    assert rig.stop(worker) == 0
    assert before < {one["id"] for one in letters(rig)}
    mend(rig)
    told = json.loads(run("deadletter", "redrive", "-c", str(rig.path), "--json").stdout)
    assert (told["sent"], told["sent_before"]) == (3, 3)


def test_what_was_not_kept_whole_is_told_and_not_sent(rig, send):
    text = rig.path.read_text()
    send(event("x" * 70_000))
    rig.path.write_text(text + "deadletter: {keep: full}\n")
    worker = rig.worker()
    eventually(lambda: assert_equal(len(letters(rig)), 1), 40)
    assert rig.stop(worker) == 0
    rig.path.write_text(text + "deadletter: {keep: hash}\n")
    send(event(LONG))
    worker = rig.worker()
    eventually(lambda: assert_equal(len(letters(rig)), 2), 40)
    assert rig.stop(worker) == 0
    records = len(log(rig))
    done = run("deadletter", "redrive", "-c", str(rig.path), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["not_sent"] == {"cut": 1, "not_kept": 1}
    cut, not_kept = done.stderr.splitlines()
    assert cut.endswith("inference.predictions/0/0: not sent: its bytes are cut at 64 KiB")
    assert "deadletter.keep" in not_kept
    assert len(log(rig)) == records


def test_an_id_that_nobody_knows_is_said_and_without_a_broker_it_is_exit_3(rig, tmp_path):
    absent = run("deadletter", "redrive", "inference.labels/0/1", "-c", str(rig.path))
    assert absent.exit_code == 1
    assert "no dead letter inference.labels/0/1" in absent.stderr
    other = tmp_path / "other.yaml"
    other.write_text("broker: {url: 'kafka://127.0.0.1:9'}\n")
    away = run("deadletter", "redrive", "-c", str(other))
    assert (away.exit_code, len(away.stderr.splitlines())) == (3, 1)
    wrong = run("deadletter", "redrive", "--since", "soon", "-c", str(rig.path))
    assert wrong.exit_code == 2
