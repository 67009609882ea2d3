"""Templates: what they see, what they may not do, and where a mistake in one is told."""

import json
import logging
from dataclasses import replace

import pytest
from alert_story import alert_event
from message_bodies import bodies
from messages import message

from consumers.notifier.notification import Escalated
from consumers.notifier.templates import context_of, fill
from inferwatch.errors import ConfigError
from inferwatch.settings import load
from inferwatch.settings.notify import templates
from inferwatch.settings.notify.templates import SAMPLE

TITLE = "{{ commonLabels.alertname }} of {{ alert.labels.model }}"
TEXT = "{% for a in alerts %}{{ a.annotations.summary }} is {{ a.status }}\n{% endfor %}"
TWO = message(alert_event("i1"), alert_event("i2", "resolved"))


def written(**keys: str) -> dict[str, dict]:
    """The keys of each channel, as far as it has them."""
    title, text = keys.get("title", TITLE), keys.get("text", TEXT)
    return {
        "slack": {"title": title, "text": text},
        "teams": {"title": title, "text": text},
        "apprise": {"title": title, "text": text},
        "pagerduty": {"description": title},
        "opsgenie": {"message": title, "description": text},
        "mail": {"headers": {"Subject": title}, "text": text, "html": f"<b>{text}</b>"},
    }


def test_each_channel_says_what_its_templates_say():
    said = bodies(TWO, **written())
    slack = json.loads(said["slack"])
    assert slack["text"] == "slow of fraud"
    assert [a["text"] for a in slack["attachments"]] == [
        "i1 is slow is firing\ni2 is slow is resolved\n"
    ]
    assert json.loads(said["pagerduty"])["payload"]["summary"] == "slow of fraud"
    opsgenie = json.loads(said["opsgenie"])
    assert opsgenie["message"] == "slow of fraud"
    # An alert for each incident: `alerts` is the one that is sent.
    assert opsgenie["description"] == "i1 is slow is firing\n"
    assert json.loads(said["connector"])["title"] == "slow of fraud"
    assert "i2 is slow is resolved" in json.loads(said["connector"])["text"]
    assert "more are not shown" not in said["connector"] + said["teams"]
    assert said["apprise"] == "slow of fraud\ni1 is slow is firing\ni2 is slow is resolved\n"
    assert said["mail"].startswith("slow of fraud\ni1 is slow is firing\n")
    assert "<b>i1 is slow is firing" in said["html"]


def test_where_each_alert_is_sent_by_itself_the_template_is_about_it_alone():
    over = TWO.alerts[1]
    assert fill("{{ status }} {{ alerts | length }}", TWO) == "firing 2"
    assert fill("{{ status }} {{ alerts | length }}", TWO, alert=over) == "resolved 1"


def test_an_escalation_says_so_whatever_the_template_says():
    said = bodies(replace(TWO, escalated=Escalated(2, 0)), **written())
    for kind, body in said.items():
        if kind != "webhook":
            assert "nobody has acknowledged this since 1970" in body
        if kind not in ("webhook", "html"):
            assert "Escalation 2: slow of fraud" in body


NASTY = "<!channel> [a](http://x) *b*\r\nBcc: x@y.z\x07"


def test_what_came_with_the_traffic_is_neither_markup_nor_a_header():
    evil = message(alert_event("i1", label_model=NASTY))
    said = bodies(evil, **written(text="{{ alert.labels.model }}"))
    assert "&lt;!channel&gt;" in said["slack"]
    assert "<!channel>" not in said["slack"] + said["html"] + said["teams"]
    assert "\\\\[a\\\\](http://x) \\\\*b\\\\*" in said["teams"]
    subject, _, _ = said["mail"].partition("\n")
    assert subject == "slow of <!channel> [a](http://x) *b* Bcc: x@y.z"
    assert "\x07" not in "".join(said[k] for k in ("slack", "mail", "html", "apprise"))


def test_a_mail_may_have_no_html_and_headers_are_templates():
    mail = {"html": "", "headers": {"X-Model": "{{ alert.labels.model }}"}}
    assert bodies(TWO, mail=mail)["html"] == ""
    assert bodies(TWO)["html"] != ""


def test_a_template_that_fails_with_one_alert_keeps_nothing_from_being_sent(caplog):
    failing = "{{ 1 / (alert.event.rows - 100) }}"
    assert templates.mistake(failing) is None
    with caplog.at_level(logging.ERROR):
        assert fill(failing, TWO) is None
        said = bodies(TWO, **written(title=failing, text=failing))
    assert "ZeroDivisionError" in caplog.text
    usual = bodies(TWO)
    assert said["slack"] == usual["slack"]
    assert said["mail"] == usual["mail"]
    assert said["teams"] == usual["teams"]


@pytest.mark.parametrize(
    "template",
    [
        "{{ alerts.append(1) }}",
        "{{ alert.update({'a': 1}) }}",
        "{% for i in range(10000000) %}x{% endfor %}",
    ],
)
def test_the_sandbox_holds(template):
    assert templates.mistake(template) is not None
    assert fill(template, TWO) is None


@pytest.mark.parametrize(
    "template",
    [
        "{{ '#' * (alert.event.value | int) }}",
        "{{ [0] * (alert.event.value | int) }}",
        "{{ 2 ** (alert.event.value | int) }}",
        "{{ '%9d' % 1 }}",
        "{{ status | center(alert.event.value | int) }}",
        "{{ status | indent(9) }}",
        "{{ status.ljust(9) }}",
        "{{ '{:9}'.format(1) }}",
        "{{ ''['zfill'](9) }}",
        "{{ ('{:9}' | attr('format'))(1) }}",
        "{{ commonLabels | tojson(indent=9) }}",
        "{{ lipsum(9) }}",
    ],
)
def test_nothing_is_as_long_as_a_value_says(template):
    assert templates.mistake(template) is not None
    assert fill(template, TWO) is None


def test_what_people_count_with_stays():
    template = "{{ 2 * alert.event.value }} {{ 7 % 4 }} {{ 1 / 4 }} {{ groupLabels | tojson }}"
    assert templates.mistake(template) is None
    assert fill(template, TWO).startswith("600.0 3 0.25 {")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for i in range(999) %}{{ preface }}1234567890{% endfor %}", None),
        (
            "{% for i in range(999) %}" + "1234567890" * 27 + "{% endfor %}",
            "TooLongError",
        ),
        ("{% for i in range(400) %}{% for j in range(400) %}{% endfor %}{% endfor %}", None),
        (
            "{% for i in range(500) %}{% for j in range(500) %}{% endfor %}{% endfor %}",
            "TooMuchWorkError",
        ),
        (
            "{% macro f(n) %}{% if n %}{% set _ = f(n - 1) ~ f(n - 1) %}{% endif %}{% endmacro %}"
            "{{ f(30) }}",
            "TooMuchWorkError",
        ),
        (
            "{% for i in [[[[1]]]] recursive %}{{ loop.index }}{{ loop(i) if i is iterable }}"
            "{% endfor %}",
            None,
        ),
    ],
)
def test_a_template_that_works_or_says_too_much_is_stopped(template, words, caplog):
    said = fill(template, TWO)
    assert (said is None) == (words is not None)
    if words is not None:
        assert words in caplog.text


def test_what_is_inside_of_python_shows_nothing():
    assert fill("[{{ ''.__class__.__mro__ }}{{ alert.__class__ }}]", TWO) == "[]"


def test_a_label_that_is_not_there_shows_nothing():
    assert fill("[{{ alert.labels.team }}{{ alert.event.window.no.such }}]", TWO) == "[]"


def test_the_sample_has_the_names_that_a_message_has():
    real = context_of(TWO)
    assert real.keys() == SAMPLE.keys()
    assert real["alerts"][0].keys() == SAMPLE["alerts"][0].keys()
    assert SAMPLE["alerts"][0]["event"].keys() <= real["alerts"][0]["event"].keys()


CONFIG = """
notify:
  route: {receiver: ops}
  receivers:
    - name: ops
      slack_configs:
        - api_url: https://example.com/
          title: "WHAT"
"""


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ status", "line 1 of the template: unexpected end of template"),
        ("{% if status %}", "line 1 of the template: Unexpected end of template"),
        ("ok\\n{{ stat }}", "line 2 of the template: 'stat' is no name here; allowed are alert,"),
        ("{{ status | shout }}", "line 1 of the template: No filter named 'shout'"),
        ("{{ status.nothing() }}", "failed with an alert like any other"),
        ("{{ alert.event.value + 'x' }}", "failed with an alert like any other: TypeError"),
        ("{{ .CommonLabels.alertname }}", "this looks like a Go template"),
        ('{{ template \\"slack.title\\" . }}', "this looks like a Go template"),
    ],
)
def test_a_template_error_is_told_with_line_and_key(template, words):
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", text=CONFIG.replace("WHAT", template))
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("c.yaml:8:18: notify.receivers[0].slack_configs[0].title: ")
    assert words in mistake


@pytest.mark.parametrize(
    "channel",
    [
        "msteams_configs: [{webhook_url: 'https://a/', title: WHAT}]",
        "msteams_configs: [{webhook_url: 'https://a/', text: WHAT}]",
        "slack_configs: [{api_url: 'https://a/', text: WHAT}]",
        "email_configs: [{to: a@b.c, from: d@e.f, smarthost: 'h:25', html: WHAT}]",
        "email_configs: [{to: a@b.c, from: d@e.f, smarthost: 'h:25', text: WHAT}]",
        "email_configs: [{to: a@b.c, from: d@e.f, smarthost: 'h:25', headers: {Subject: WHAT}}]",
        "pagerduty_configs: [{routing_key: 0123456789abcdef0123456789abcdef, description: WHAT}]",
        "opsgenie_configs: [{api_key: k, message: WHAT}]",
        "opsgenie_configs: [{api_key: k, description: WHAT}]",
        "apprise_configs: [{url: 'json://a', title: WHAT}]",
        "apprise_configs: [{url: 'json://a', text: WHAT}]",
    ],
)
def test_every_template_is_read_and_without_jinja_a_warning_says_that_none_was(
    channel, monkeypatch
):
    text = f"notify:\n  route: {{receiver: ops}}\n  receivers:\n    - name: ops\n      {channel}\n"
    with pytest.raises(ConfigError, match="Unexpected end of template|unexpected end of template"):
        load(None, text=text.replace("WHAT", '"{% if status %}"'))
    fine = text.replace("WHAT", '"{{ status }}"')
    assert load(None, text=fine).warnings == ()
    monkeypatch.setattr(templates, "can_check", lambda: False)
    assert any("templates were not checked" in w for w in load(None, text=fine).warnings)
    assert load(None, text=CONFIG.replace('title: "WHAT"', "channel: x")).warnings == ()
