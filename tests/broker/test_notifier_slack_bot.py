"""A Slack bot through `inferwatch notify`: a restart finds the group's message again."""

import pytest
from alert_story import alert_event
from eventually import eventually
from notifier_process import Process
from slack_api import TOKEN, SlackApi

pytestmark = pytest.mark.broker


def test_after_a_kill_the_message_is_edited_and_no_second_one_posted(alerts, configure, tmp_path):
    with SlackApi() as slack:
        bot = {"bot_token": TOKEN, "channel": "#alerts", "api_url": slack.url}
        configure([{"name": "ops", "slack_configs": [{**bot, "send_resolved": True}]}])
        with Process(tmp_path) as notifier:
            eventually(lambda: "reading alerts from" in notifier.log.read_text())
            alerts(alert_event("i1"))
            eventually(lambda: "told ops (slack)" in notifier.log.read_text())
            notifier.kill()
            notifier.start()
            alerts(alert_event("i1", "resolved"))
            eventually(lambda: len(slack.messages) == 2)
            text = notifier.log.read_text()
        (shown,) = slack.channel
        assert shown["text"] == "[1 resolved] i1 is slow"
        assert shown["attachments"][0]["color"] == "good"
        assert len(slack.thread("1764000000.000001")) == 1
    assert TOKEN not in text
