"""A child process sends under an origin of its own, whatever its parent did when it forked."""

import json
import os
import signal
import sys
import threading
import traceback

import pytest
from sdk_rig import told

TIMEOUT_S = 30

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def in_child(work):
    """What `work` returns in a forked child; a child that hangs is ended, and fails."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(TIMEOUT_S)
        try:
            os.write(into, json.dumps(work()).encode())
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    assert answer, "the child hung, or failed"
    return json.loads(answer)


def tell(subject, count):
    """Tell of so many predictions; the origins and numbers of all rows that this process sent."""
    before = len(subject.broker.batches)
    for n in range(count):
        subject.monitor.log(features={"n": n}, prediction=n, latency_ms=1)
    assert subject.monitor.flush(10)
    made = subject.broker.batches[before:]
    return {
        "origin": subject.monitor.origin,
        "published": subject.monitor.published,
        "numbers": sorted((b.kind, b.partition, b.seq, b.rows) for b in made),
        "threads": sorted(t.name for t in threading.enumerate() if t.name != "MainThread"),
    }


@pytest.mark.parametrize("is_started", [False, True])
def test_a_child_is_a_new_sender(is_started):
    with told(batch={"every": "1h"}) as subject:
        before = tell(subject, 3) if is_started else {"origin": None, "published": 0}
        children = [in_child(lambda: tell(subject, 5)) for _ in range(2)]
        after = tell(subject, 4)
    assert len({after["origin"], *(child["origin"] for child in children)}) == 3
    assert before["origin"] in (None, after["origin"])
    for child in children:
        # From number 0 on, with counters and threads of its own.
        assert child["published"] == 10
        assert child["numbers"] == [["latency", 0, 0, 5], ["prediction", 0, 0, 5]]
        assert child["threads"] == ["publisher", "reader"]
    assert after["published"] == before["published"] + 8


def test_what_waits_in_the_parent_is_sent_by_the_parent_alone():
    with told(batch={"every": "1h"}) as subject:
        subject.monitor.log(prediction="mine")
        assert in_child(lambda: [subject.monitor.flush(5), subject.monitor.published]) == [True, 0]
        assert [row["prediction"] for row in subject.predictions] == ["mine"]


def test_a_child_forked_while_other_threads_tell_does_not_hang():
    with told() as subject:
        is_over = threading.Event()

        def tell_on():
            while not is_over.is_set():
                subject.monitor.log(prediction=1, latency_ms=1)

        threads = [threading.Thread(target=tell_on) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(10):
                child = in_child(lambda: tell(subject, 2))
                assert child["published"] == 4
        finally:
            is_over.set()
            for thread in threads:
                thread.join()


def test_a_childs_child_is_one_more():
    with told() as subject:
        outer, inner = in_child(
            lambda: [tell(subject, 1)["origin"], in_child(lambda: tell(subject, 1))["origin"]]
        )
        assert len({outer, inner, tell(subject, 1)["origin"]}) == 3


def test_a_monitor_closed_in_a_child_goes_on_in_its_parent():
    with told() as subject:
        assert in_child(lambda: [tell(subject, 1), subject.monitor.close()][1]) is None
        assert tell(subject, 2)["published"] == 4
