"""Grouping and inhibition beside a real Alertmanager: one timeline, fed to both.

Alertmanager runs in real time with waits of a second or two; ours runs on a set clock. What is
compared is which alerts each message holds, in the order of the messages.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from alert_story import Story, alert_event
from eventually import eventually
from http_receiver import HttpReceiver

BINARY = shutil.which("prometheus-alertmanager")
pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(BINARY is None, reason="needs prometheus-alertmanager"),
]

ROUTE = {
    "receiver": "ops",
    "group_by": ["model"],
    "group_wait": "1s",
    "group_interval": "2s",
    "repeat_interval": "1h",
}
INHIBIT = [
    {"source_matchers": ["kind=schema"], "target_matchers": ["kind=drift"], "equal": ["model"]}
]

# Second, incident (its alertname too), status, labels; away from 1, 3, 5, 7 where groups are told.
TIMELINE = [
    (0.0, "a", "firing", {}),
    (0.2, "b", "firing", {}),
    (0.3, "gone", "firing", {"model": "other"}),
    (0.6, "gone", "resolved", {"model": "other"}),
    (2.0, "c", "firing", {}),
    (2.2, "brief", "firing", {}),
    (2.6, "brief", "resolved", {}),
    (4.0, "a", "resolved", {}),
    (6.0, "b", "resolved", {}),
    (6.1, "c", "resolved", {}),
    (0.1, "schema", "firing", {"model": "third", "kind": "schema"}),
    (0.2, "drift", "firing", {"model": "third", "kind": "drift"}),
    (4.1, "schema", "resolved", {"model": "third", "kind": "schema"}),
]
END_S = 9.0


@pytest.fixture
def alertmanager(tmp_path):
    """`start(hook_url)` gives the address of a fresh Alertmanager that tells the hook."""
    started = []

    def start(hook_url: str) -> str:
        config = {
            "route": ROUTE,
            "inhibit_rules": INHIBIT,
            "receivers": [{"name": "ops", "webhook_configs": [{"url": hook_url}]}],
        }
        (tmp_path / "config.yml").write_text(json.dumps(config))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with (tmp_path / "log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [BINARY, f"--config.file={tmp_path}/config.yml",
                     f"--storage.path={tmp_path}/data", "--cluster.listen-address=",
                     f"--web.listen-address=127.0.0.1:{port}"],
                    stdout=log, stderr=log,
                )
            )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: urllib.request.urlopen(f"{url}/-/ready").status == 200)
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def labels_of(incident: str, labels: dict) -> dict[str, str]:
    return alert_event(incident, label_alertname=incident, **prefixed(labels))["labels"]


def prefixed(labels: dict) -> dict:
    return {f"label_{k}": v for k, v in labels.items()}


def by_alertmanager(start) -> dict[str, list]:
    with HttpReceiver() as hook:
        url = start(hook.url)
        begin, origin = time.monotonic(), datetime.now(UTC)
        for at, incident, status, labels in sorted(TIMELINE, key=lambda step: step[0]):
            time.sleep(max(0.0, begin + at - time.monotonic()))
            first = min(t for t, i, *_ in TIMELINE if i == incident)
            alert = {
                "labels": labels_of(incident, labels),
                "startsAt": (origin + timedelta(seconds=first)).isoformat(),
            }
            if status == "resolved":
                alert["endsAt"] = datetime.now(UTC).isoformat()
            request = urllib.request.Request(
                f"{url}/api/v2/alerts",
                json.dumps([alert]).encode(),
                {"content-type": "application/json"},
            )
            urllib.request.urlopen(request)
        time.sleep(max(0.0, begin + END_S - time.monotonic()))
        return grouped(json.loads(post.body) for post in hook.posts)


def grouped(bodies) -> dict[str, list]:
    """The messages of each group, each as its alerts in order."""
    told: dict[str, list] = {}
    for body in bodies:
        alerts = sorted((a["labels"]["alertname"], a["status"]) for a in body["alerts"])
        told.setdefault(body["groupLabels"]["model"], []).append(alerts)
    return told


def by_us() -> dict[str, list]:
    story = Story(
        {
            "route": ROUTE,
            "inhibit_rules": INHIBIT,
            "receivers": [{"name": "ops", "console_configs": [{}]}],
        }
    )
    for at, incident, status, labels in TIMELINE:
        story.at(at).push(incident, status, label_alertname=incident, **prefixed(labels))
    story.tell(END_S)
    told: dict[str, list] = {}
    for said in story.said:
        alerts = sorted(
            (a.labels["alertname"], "firing" if a.open else "resolved") for a in said.message.alerts
        )
        told.setdefault(said.message.group_labels["model"], []).append(alerts)
    return told


def test_both_tell_the_same(alertmanager):
    ours = by_us()
    assert ours["fraud"][0] == [("a", "firing"), ("b", "firing")]
    assert "other" not in ours
    assert ours == by_alertmanager(alertmanager)
