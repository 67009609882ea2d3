"""A real Prometheus Alertmanager as a receiver: alerts appear there, and resolve."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from alert_story import alert_event
from eventually import eventually

from consumers.notifier.channels.alertmanager import AlertmanagerChannel
from consumers.notifier.notification import Notification
from consumers.notifier.reason import Reason
from consumers.notifier.transition import transition_from_json
from inferwatch.settings.notify.channels import AlertmanagerSettings

BINARY = shutil.which("prometheus-alertmanager")
pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(BINARY is None, reason="needs prometheus-alertmanager"),
]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [BINARY, f"--config.file={folder}/config.yml", f"--storage.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        eventually(lambda: urllib.request.urlopen(f"{url}/-/ready").status == 200)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def there(url: str) -> dict[str, dict]:
    """The alerts that fire there, by their name."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts") as answer:
        return {a["labels"]["alertname"]: a for a in json.load(answer)}


async def test_alerts_appear_and_resolve(alertmanager):
    channel = AlertmanagerChannel(AlertmanagerSettings.model_validate({"url": alertmanager}))
    now = int(time.time() * 1000)

    def message(*events: dict) -> Notification:
        return Notification(
            id="msg_1", reason=Reason.FIRST, receiver="am", group_key="", group_labels={},
            alerts=tuple(transition_from_json(json.dumps(e).encode()) for e in events), at=now,
        )  # fmt: skip

    odd = {"label_alertname": "odd", "label_9 weird-name": 'a"b', "label_empty": ""}
    await channel.send(
        message(alert_event("i1", at=now - 90_000), alert_event("i2", at=now + 5, **odd)), now
    )
    found = eventually(lambda: there(alertmanager))
    assert found.keys() == {"slow", "odd"}
    assert found["slow"]["labels"]["model"] == "fraud"
    assert "i1 is slow" in found["slow"]["annotations"]["description"]
    assert found["odd"]["labels"]["_9_weird_name"] == 'a"b'
    await channel.send(message(alert_event("i1", "resolved", at=now - 90_000)), now)
    eventually(lambda: there(alertmanager).keys() == {"odd"})
    await channel.close()
