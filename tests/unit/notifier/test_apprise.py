"""Apprise: asked for only where it is configured, and bounded as every channel is."""

import builtins
import json
import subprocess
import sys

import pytest
from alert_story import BEGIN, alert_event
from http_receiver import Answer, HttpReceiver
from messages import channel, message

from consumers.notifier.channels.interface import Permanent, Retryable
from inferwatch.errors import UsageError


def test_it_is_not_imported_unless_it_is_configured():
    code = (
        "import sys\n"
        "from consumers.notifier.channels.build import build_channels\n"
        "from inferwatch.settings import load\n"
        "text = 'notify: {route: {receiver: a}, receivers: [{name: a, %s}]}'\n"
        "settings = load(None, text=text % sys.argv[1])\n"
        "build_channels(settings.notify, settings)\n"
        "print('apprise' in sys.modules)\n"
    )
    for configs, imported in (
        ('console_configs: [{}], msteams_configs: [{webhook_url: "http://a/"}]', "False"),
        ('apprise_configs: [{url: "json://localhost"}]', "True"),
    ):
        said = subprocess.run(
            [sys.executable, "-c", code, configs], capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == imported


async def test_where_it_is_missing_the_command_that_installs_it_is_told(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **more):
        if name == "apprise":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError) as error:
        async with channel("apprise", url="json://localhost"):
            pass
    said = str(error.value)
    assert said == (
        "receiver 'ops': apprise_configs needs Apprise: pip install 'inferwatch[apprise]'"
    )


async def test_an_address_that_apprise_does_not_know_is_told_without_it(caplog):
    with pytest.raises(UsageError, match="Apprise knows no such `url`") as error:
        async with channel("apprise", url="nosuchservice://hunter2"):
            pass
    assert "hunter2" not in str(error.value) + caplog.text


async def test_the_page_arrives():
    with HttpReceiver() as hook:
        url = hook.url.replace("http:", "json:")
        async with channel("apprise", url=url) as made:
            sent = await made.send(message(alert_event("i1"), alert_event("i2")), BEGIN)
            await made.send(message(alert_event("i1", "resolved")), BEGIN)
        fired, over = (json.loads(post.body) for post in hook.posts)
    assert sent.detail == "sent"
    assert fired["title"] == "PAGE firing: i1 is slow (and 1 more)"
    assert "latency.p99_ms: 300, threshold 250, 100 rows" in fired["message"]
    assert (fired["type"], over["type"]) == ("failure", "success")


async def test_text_is_cut_to_what_the_service_takes():
    big = alert_event("i1", evidence=[{"text": "y" * 200_000, "metric": "x"}])
    with HttpReceiver() as hook:
        # A service with a limit: ntfy takes 7,800 characters.
        url = hook.url.replace("http:", "ntfy:").replace("/hook", "/alerts")
        async with channel("apprise", url=url) as made:
            await made.send(message(big), BEGIN)
        assert len(hook.posts) == 1
        assert len(hook.posts[0].body) < 20_000


async def test_a_service_without_a_status_is_tried_again():
    async with channel("apprise", url="json://localhost:1", timeout="2s") as made:
        with pytest.raises(Retryable, match="Apprise could not send"):
            await made.send(message(alert_event("i1")), BEGIN)


async def test_a_status_of_one_try_is_not_that_of_the_next():
    with HttpReceiver(lambda n: Answer(400)) as hook:
        port = hook.url.split(":")[2].removesuffix("/hook")
        async with channel("apprise", url=f"json://127.0.0.1:{port}/hook") as made:
            with pytest.raises(Permanent):
                await made.send(message(alert_event("i1")), BEGIN)
    async with channel("apprise", url=f"json://127.0.0.1:{port}/hook") as made:
        with pytest.raises(Retryable):
            await made.send(message(alert_event("i1")), BEGIN)
