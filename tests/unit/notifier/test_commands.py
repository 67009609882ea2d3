"""`routes test` and `receivers test`, through the command line."""

import json

import pytest
from click.testing import CliRunner
from http_receiver import Answer, HttpReceiver
from opsgenie_api import KEY, OpsgenieApi
from slack_api import TOKEN, SlackApi
from teams_webhook import TeamsWebhook

from inferwatch.commands import receivers, routes
from inferwatch.errors import UsageError

CONFIG = """
notify:
  route:
    receiver: root
    routes:
      - receiver: night
        matchers: ['severity="page"']
        active_time_intervals: [offhours]
        continue: true
      - {receiver: day, mute_time_intervals: [offhours, weekend]}
  time_intervals:
    - name: offhours
      time_intervals:
        - times: [{start_time: 17:30, end_time: 24:00}, {start_time: 00:00, end_time: 08:30}]
          location: Europe/Paris
    - name: weekend
      time_intervals: [{weekdays: [saturday, sunday]}]
  receivers: [{name: root}, {name: night}, {name: day}]
"""


@pytest.fixture
def run(tmp_path):
    def call(command, *args: str, config: str = CONFIG):
        path = tmp_path / "config.yaml"
        path.write_text(config)
        return CliRunner().invoke(command, ["test", *args, "-c", str(path)])

    return call


def test_the_json_is_the_receivers_in_route_order(run):
    said = run(routes.command, "severity=page", "model=shop", "--json")
    assert said.exit_code == 0
    assert json.loads(said.stdout) == {"receivers": ["night", "day"]}


@pytest.mark.parametrize(
    ("at", "muted_by"),
    [
        ("2026-01-07T12:00:00Z", ["offhours"]),  # not in its active interval: night
        ("2026-01-07T12:00:00+01:00", ["offhours"]),
        ("2026-01-07T20:00:00", ["offhours"]),  # in its mute interval: day
        ("2026-01-10T12:00:00Z", ["offhours", "weekend"]),
        ("1767787200000", ["offhours"]),
    ],
)
def test_with_a_time_what_mutes_is_said(run, at, muted_by):
    said = run(routes.command, "severity=page", "--at", at, "--json")
    assert json.loads(said.stdout) == {"receivers": ["night", "day"], "muted_by": muted_by}


def test_nothing_mutes(run):
    said = run(routes.command, "severity=info", "--at", "2026-01-07T12:00:00Z", "--json")
    assert json.loads(said.stdout) == {"receivers": ["day"], "muted_by": []}


def test_people_read_the_reason_too(run):
    said = run(routes.command, "severity=page", "--at", "2026-01-07T20:00:00Z")
    assert 'night\n    because of the route {}/{severity="page"}' in said.stdout
    assert "day  (muted by offhours)" in said.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["severity"], "no label"),
        (["=x"], "no label"),
        (["--at", "tomorrow"], "no time"),
        (["a=\udcff"], "no UTF-8"),
    ],
)
def test_wrong_arguments_are_usage_errors(run, args, words):
    said = run(routes.command, *args)
    assert isinstance(said.exception, UsageError)
    assert words in str(said.exception)


def test_a_value_is_literal_after_the_first_equals_sign(run):
    config = """
notify:
  route: {receiver: root, routes: [{receiver: eu, matchers: ['segment="region=eu"']}]}
  receivers: [{name: root}, {name: eu}]
"""
    said = run(routes.command, "segment=region=eu", "--json", config=config)
    assert json.loads(said.stdout) == {"receivers": ["eu"]}


def test_without_a_notify_section(run):
    said = run(routes.command, "a=b", config="models: []")
    assert "no `notify` section" in str(said.exception)


def receiver_config(url: str, path) -> str:
    return f"""
notify:
  route: {{receiver: ops}}
  receivers:
    - {{name: ops, webhook_configs: [{{url: "{url}"}}], file_configs: [{{path: "{path}"}}]}}
    - {{name: silent}}
"""


def test_a_receiver_is_tried(run, tmp_path):
    with HttpReceiver() as hook:
        config = receiver_config(hook.url, tmp_path / "x.jsonl")
        said = run(receivers.command, "ops", "--json", config=config)
    assert said.exit_code == 0
    answer = json.loads(said.stdout)
    assert answer["ok"] is True
    assert [c["channel"] for c in answer["channels"]] == ["webhook_configs[0]", "file_configs[0]"]
    (alert,) = json.loads(hook.posts[0].body)["alerts"]
    assert alert["labels"]["alertname"] == "inferwatch-test"
    assert "test" in alert["annotations"]["summary"]


def test_a_receiver_that_fails_is_shown_and_ends_with_1(run, tmp_path):
    with HttpReceiver(lambda n: Answer(403)) as hook:
        config = receiver_config(hook.url, tmp_path / "x.jsonl")
        said = run(receivers.command, "ops", config=config)
    assert said.exit_code == 1
    assert "webhook_configs[0]: FAILED, HTTP 403" in said.stdout
    assert "file_configs[0]: ok, appended to" in said.stdout


def test_each_vendor_is_tried(run):
    with (
        OpsgenieApi() as opsgenie,
        SlackApi() as slack,
        TeamsWebhook("workflow") as teams,
        HttpReceiver() as hook,
    ):
        channels = {
            "slack_configs": [{"bot_token": TOKEN, "channel": "#alerts", "api_url": slack.url}],
            "opsgenie_configs": [{"api_key": KEY, "api_url": opsgenie.url}],
            "msteams_configs": [{"webhook_url": teams.url}],
            "apprise_configs": [{"url": hook.url.replace("http:", "json:")}],
        }
        notify = {"route": {"receiver": "ops"}, "receivers": [{"name": "ops", **channels}]}
        said = run(receivers.command, "ops", config=json.dumps({"notify": notify}))
        assert said.stdout.splitlines() == [
            "slack_configs[0]: ok, posted",
            "opsgenie_configs[0]: ok, 1 opened, 0 closed",
            "msteams_configs[0]: ok, HTTP 202",
            "apprise_configs[0]: ok, sent",
        ]
        assert said.exit_code == 0
        (alert,) = opsgenie.alerts.values()
        assert alert["request"]["priority"] == "P5"
        assert "a test of the receiver" in slack.channel[0]["text"]
        assert len(teams.cards) == len(hook.posts) == 1


def test_an_unknown_receiver_is_a_usage_error(run):
    said = run(receivers.command, "nobody")
    assert isinstance(said.exception, UsageError)
    assert "defined are root, night, day" in str(said.exception)


def test_a_receiver_without_channels_has_nothing_to_try(run):
    said = run(receivers.command, "root")
    assert said.exit_code == 1
    assert "has no channels" in said.stdout


def test_with_json_a_console_prints_elsewhere(run):
    config = "notify: {route: {receiver: a}, receivers: [{name: a, console_configs: [{}]}]}"
    said = run(receivers.command, "a", "--json", config=config)
    assert json.loads(said.stdout)["channels"][0]["detail"] == "printed"
    assert "a: test of the receiver" in said.stderr
    assert "a: test of the receiver" in run(receivers.command, "a", config=config).stdout
