"""What the model server uses, read from /proc."""

import os
import socket
import time
from pathlib import Path

import pytest

from inferwatch.events.kinds import Kind
from inferwatch.events.latency import Latency
from producers.sidecar.resources import ResourceSampler, ServedModels, listeners, usage_of


class Sink:
    """Keeps what it is given."""

    def __init__(self):
        self.rows = []

    def publish(self, kind, rows):
        assert kind is Kind.RESOURCE
        self.rows += rows
        return True

    def drop(self, kind, rows, reason):
        raise AssertionError(reason)


def sampler(sink, models, *, pids=lambda: [os.getpid()], passed=lambda: (0, 0)):
    return ResourceSampler(sink, models, origin="o", pids=pids, passed=passed, every_s=60)


def test_the_process_that_listens_is_found():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listeners(port) == [os.getpid()]
    assert listeners(port) == []


def test_usage_agrees_with_the_process_itself():
    used = usage_of([os.getpid()])
    assert used.cpu_s == pytest.approx(time.process_time(), abs=0.5)
    assert used.open_fds == pytest.approx(len(list(Path("/proc/self/fd").iterdir())), abs=3)
    assert usage_of([2**22 + 1]) is None


def test_samples_are_rates_between_two_looks():
    sink, models = Sink(), ServedModels(("fixed", "1"))
    passed = iter([(100, 1000), (150, 3000)])
    subject = sampler(sink, models, passed=lambda: next(passed))
    subject.sample(10.0, 1)
    deadline = time.process_time() + 0.1
    while time.process_time() < deadline:
        pass
    models.saw(Latency(model="m", version="7", ts=0, latency_ms=1.0))
    subject.sample(11.0, 2)
    first, second = sink.rows
    assert (first.model, first.version, first.cpu_percent, first.net_rx_bytes) == (
        "fixed",
        "1",
        None,
        100,
    )
    assert (second.model, second.version, second.ts, second.origin) == ("m", "7", 2, "o")
    assert (second.net_rx_bytes, second.net_tx_bytes) == (50, 2000)
    # 0.1 s of processor time or more in what was told to be one second.
    assert 9 <= second.cpu_percent < 200
    assert second.rss_bytes > 10**6


def test_without_a_process_there_is_still_the_traffic():
    sink = Sink()
    sampler(sink, ServedModels(("m", "1")), pids=list, passed=lambda: (5, 6)).sample(1.0, 1)
    (row,) = sink.rows
    assert (row.cpu_percent, row.rss_bytes, row.net_rx_bytes, row.net_tx_bytes) == (
        None,
        None,
        5,
        6,
    )


def test_without_a_model_there_is_no_sample():
    sink = Sink()
    sampler(sink, ServedModels()).sample(1.0, 1)
    assert sink.rows == []
