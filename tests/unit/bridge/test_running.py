"""What the bridge says when it cannot run, when the broker is away, and on its admin port."""

import logging
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

from inferwatch.cli import root
from producers.bridge.admin import AdminPort
from producers.bridge.post import FIRST_PAUSE_S, LONGEST_PAUSE_S, Outage
from producers.counters import BRIDGE, Counters


def run(tmp_path, text):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return CliRunner().invoke(root, ["bridge", "-c", str(file)])


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("text", ["", "bridge: {topics: []}"])
def test_nothing_to_bridge_is_a_mistake(tmp_path, text):
    result = run(tmp_path, text)
    assert result.exit_code == 2
    assert "has no foreign topic to bridge" in result.stderr


@pytest.mark.slow  # it waits ten seconds for an answer
@pytest.mark.usefixtures("restored_logging")
def test_a_broker_that_is_not_there_is_one_line(tmp_path):
    text = "broker: {url: 'kafka://127.0.0.1:1'}\nbridge: {topics: [{topic: t, kind: label}]}"
    result = run(tmp_path, text)
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("Kafka: no answer from 127.0.0.1:1")


def test_an_outage_is_told_once_and_tried_less_and_less_often(caplog):
    caplog.set_level(logging.WARNING)
    now = [0.0]
    outage = Outage("Kafka at h:1", lambda: now[0])
    pauses = []
    for _ in range(8):
        outage.began(ConnectionError("gone"))
        outage.began(ConnectionError("gone"))  # others on their way fail with it
        assert not outage.is_over()
        began = now[0]
        while not outage.is_over():
            now[0] += 0.125
        pauses.append(now[0] - began)
    assert pauses[0] == pytest.approx(FIRST_PAUSE_S, abs=0.13)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_S, abs=0.13)
    outage.ended()
    outage.ended()
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "Kafka at h:1 does not do its part",
        "Kafka at h:1 answers again",
    ]


def test_the_admin_port_tells_health_and_counters():
    counters = Counters(BRIDGE)
    counters.add("records_rejected_total", 3, topic="t", reason="no_ts")
    with AdminPort("127.0.0.1:0", counters) as admin:
        url = f"http://127.0.0.1:{admin.port}"
        assert urllib.request.urlopen(f"{url}/healthz").read() == b"ok\n"
        text = urllib.request.urlopen(f"{url}/metrics").read().decode()
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{url}/other")
    raised.value.close()
    assert 'inferwatch_bridge_records_rejected_total{reason="no_ts",topic="t"} 3' in text
