"""The `notify` section: every mistake at its key, all of them at once, and what is surprising."""

import re
import textwrap
from datetime import UTC, datetime

import pytest

from inferwatch.errors import ConfigError
from inferwatch.settings import load
from inferwatch.settings.notify.channels import signing_key
from inferwatch.settings.notify.intervals import TimeInterval

VALID = """
notify:
  route: {receiver: ops}
  receivers: [{name: ops, console_configs: [{}]}]
"""


def mistakes(text: str) -> list[str]:
    """What is wrong, each as `LINE path: text`."""
    try:
        load(None, text=textwrap.dedent(text))
    except ConfigError as error:
        found = []
        for line in error.mistakes:
            place, _, said = line.partition(": ")
            said = re.sub(r"\[(\d+)\]", r".\1", said)
            found.append(f"{place.split(':')[-2]} {said}")
        return found
    return []


def with_route(route: str) -> str:
    return f"""
notify:
  route: {{receiver: ops, {route}}}
  receivers: [{{name: ops}}]
"""


def with_channel(channel: str) -> str:
    return f"""
notify:
  route: {{receiver: ops}}
  receivers:
    - name: ops
      {channel}
"""


def test_a_section_that_is_fine():
    assert mistakes(VALID) == []
    settings = load(None, text=VALID)
    assert settings.notify is not None
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("route", "key", "words"),
    [
        ('matchers: [a="b"]', "notify.route.matchers", "takes every alert"),
        ("match: {a: b}", "notify.route.match", "takes every alert"),
        ("match_re: {a: b}", "notify.route.match_re", "takes every alert"),
        ("continue: true", "notify.route.continue", "takes every alert"),
        ("mute_time_intervals: [x]", "notify.route.mute_time_intervals", "always on"),
        ("active_time_intervals: [x]", "notify.route.active_time_intervals", "always on"),
        ("group_interval: 0s", "notify.route.group_interval", "0 is not allowed"),
        ("repeat_interval: 0s", "notify.route.repeat_interval", "0 is not allowed"),
        ("group_wait: soon", "notify.route.group_wait", "no duration"),
        ('group_by: ["...", model]', "notify.route.group_by", "stands alone"),
        ("group_by: [model, model]", "notify.route.group_by", "twice"),
        ('group_by: [""]', "notify.route.group_by.0", "not empty"),
        ("routes: [{receiver: nobody}]", "notify.route.routes.0.receiver", "defined are ops"),
        ("routes: [{mute_time_intervals: [x]}]", "notify.route.routes.0.mute_time_intervals.0",
         "no time interval 'x'; defined are none"),
        ("routes: [{matchers: ['a~b']}]", "notify.route.routes.0.matchers.0", "no matcher"),
        ("routes: [{matchers: ['a=~\"(\"']}]", "notify.route.routes.0.matchers.0", "no regular"),
        ("routes: [{match_re: {a: '('}}]", "notify.route.routes.0.match_re.a", "no regular"),
        ("routes: [{group_wait: 1s, wrong: 1}]", "notify.route.routes.0.wrong", ""),
    ],
)  # fmt: skip
def test_mistakes_of_a_route(route, key, words):
    (found,) = [m for m in mistakes(with_route(route)) if key in m]
    assert words in found


def test_a_root_without_a_receiver():
    (found,) = mistakes("notify: {route: {}, receivers: [{name: ops}]}")
    assert "`receiver` is missing" in found


def test_false_on_the_root_is_fine():
    assert mistakes(with_route("continue: false, matchers: [], mute_time_intervals: []")) == []


@pytest.mark.parametrize(
    ("channel", "key", "words"),
    [
        ("webhook_configs: [{url: 'ftp://x/'}]", "webhook_configs.0.url", "allowed are https"),
        ("webhook_configs: [{url: 'https://'}]", "webhook_configs.0.url", "allowed are https"),
        ("webhook_configs: [{}]", "webhook_configs.0", "url"),
        ("webhook_configs: [{url: 'http://169.254.169.254/'}]", "webhook_configs.0.url",
         "link-local"),
        ("webhook_configs: [{url: 'http://[fe80::1]/'}]", "webhook_configs.0.url", "link-local"),
        ("webhook_configs: [{url: 'http://[::ffff:a9fe:a9fe]/'}]", "webhook_configs.0.url",
         "link-local"),
        ("webhook_configs: [{url: 'http://0xA9FEA9FE/'}]", "webhook_configs.0.url", "link-local"),
        ("webhook_configs: [{url: 'http://[fd00:ec2::254]/'}]", "webhook_configs.0.url",
         "metadata"),
        ("webhook_configs: [{url: 'http://a/', secret: ''}]", "webhook_configs.0.secret",
         "whsec_"),
        ("webhook_configs: [{url: 'http://a/', secret: whsec_AAAA}]", "webhook_configs.0.secret",
         "3 bytes; allowed are 24 to 64"),
        ("webhook_configs: [{url: 'http://a/', secret: 'whsec_*'}]", "webhook_configs.0.secret",
         "no base64"),
        ("webhook_configs: [{url: 'http://a/', timeout: 0s}]", "webhook_configs.0.timeout",
         "1ms to 60s"),
        ("webhook_configs: [{url: 'http://a/', max_alerts: -1}]", "webhook_configs.0.max_alerts",
         ""),
        ("file_configs: [{path: ''}]", "file_configs.0.path", ""),
        ("slack_configs: [{channel: c}]", "slack_configs.0", "`api_url` or `bot_token`"),
        ("slack_configs: [{bot_token: xoxb-1}]", "slack_configs.0", "`channel` is missing"),
        ("slack_configs: [{bot_token: x, api_url: 'http://a/'}]", "slack_configs.0",
         "`channel` is missing"),
        ("opsgenie_configs: [{}]", "opsgenie_configs.0", "api_key"),
        ("opsgenie_configs: [{api_key: k, api_url: 'http://169.254.1.1'}]",
         "opsgenie_configs.0.api_url", "link-local"),
        ("opsgenie_configs: [{api_key: k, priority: P6}]", "opsgenie_configs.0.priority", "P1"),
        (f"opsgenie_configs: [{{api_key: k, tags: {'x' * 51}}}]", "opsgenie_configs.0",
         "at most 20, of at most 50"),
        ("opsgenie_configs: [{api_key: k, responders: [{type: team}]}]",
         "opsgenie_configs.0.responders.0", "one of `id`, `name` and `username`"),
        ("opsgenie_configs: [{api_key: k, responders: [{type: cat, id: x}]}]",
         "opsgenie_configs.0.responders.0.type", "team"),
        ("msteams_configs: [{}]", "msteams_configs.0", "webhook_url"),
        ("msteams_configs: [{webhook_url: 'http://[fe80::1]/'}]", "msteams_configs.0.webhook_url",
         "link-local"),
        ("msteams_configs: [{webhook_url: 'http://a/', card: big}]", "msteams_configs.0.card",
         "adaptive"),
        ("kafka_configs: [{}]", "kafka_configs.0", "topic"),
        ("kafka_configs: [{topic: a b}]", "kafka_configs.0.topic", "is no topic"),
        ("kafka_configs: [{topic: monitoring.alerts}]", "kafka_configs.0.topic",
         "one of inferwatch's own topics"),
        ("apprise_configs: [{url: ntfy}]", "apprise_configs.0.url", "no address of Apprise"),
        ("apprise_configs: [{url: 'json://u:p@169.254.169.254:80/x'}]", "apprise_configs.0.url",
         "link-local"),
        ("apprise_configs: [{url: 'json://[fe80::1]:80/'}]", "apprise_configs.0.url",
         "link-local"),
        ("pagerduty_configs: [{}]", "pagerduty_configs.0", "routing_key"),
        ("pagerduty_configs: [{routing_key: k, severity: bad}]", "pagerduty_configs.0",
         "allowed are critical"),
        ("email_configs: [{to: a@b, from: c@d, smarthost: host}]", "email_configs.0", "HOST:PORT"),
        ("carrier_pigeon_configs: [{}]", "receivers.0.carrier_pigeon_configs", ""),
    ],
)  # fmt: skip
def test_mistakes_of_a_channel(channel, key, words):
    found = [m for m in mistakes(with_channel(channel)) if key in m and words in m]
    assert len(found) == 1, mistakes(with_channel(channel))


@pytest.mark.parametrize("size", [24, 32, 64])
@pytest.mark.parametrize("padding", [True, False])
def test_secrets_of_every_allowed_length_with_and_without_padding(size, padding):
    import base64

    text = base64.b64encode(bytes(size)).decode()
    assert signing_key("whsec_" + (text if padding else text.rstrip("="))) == bytes(size)


@pytest.mark.parametrize("size", [0, 23, 65])
def test_secrets_of_other_lengths_are_refused(size):
    import base64

    with pytest.raises(ValueError, match="24 to 64"):
        signing_key("whsec_" + base64.b64encode(bytes(size)).decode())


def test_http_and_private_addresses_are_the_operators_word():
    for host in ("localhost:8080", "10.0.0.1", "192.168.1.1", "[::1]:9", "127.0.0.1"):
        assert mistakes(with_channel(f"webhook_configs: [{{url: 'http://{host}/x'}}]")) == []


def test_the_own_topics_are_those_with_the_prefix():
    text = with_channel("kafka_configs: [{topic: eu.monitoring.alerts}]")
    assert mistakes(text) == []
    assert "own topics" in mistakes(f"topics: {{prefix: eu.}}\n{text}")[0]


def test_keys_and_addresses_of_the_vendors_are_in_no_error_and_in_no_print():
    text = """
        notify:
          route: {receiver: ops}
          receivers:
            - name: ops
              opsgenie_configs: [{api_key: hunter2}]
              msteams_configs: [{webhook_url: "https://host/hunter2"}]
              slack_configs: [{bot_token: hunter2, channel: c}]
              apprise_configs: [{url: "ntfy://hunter2"}]
    """
    fine = load(None, text=textwrap.dedent(text))
    assert "hunter2" not in repr(fine.notify) + fine.notify.model_dump_json()
    wrong = (
        text.replace("https://host/", "no-address-").replace("ntfy://", "").replace(", c", ", d")
    )
    assert len(mistakes(wrong)) >= 2
    assert not [m for m in mistakes(wrong) if "hunter2" in m]


def test_disagreements_are_told_beside_the_mistakes_of_keys():
    found = mistakes(
        """
        notify:
          route:
            receiver: nobody
            group_interval: 0s
            routes:
              - {receiver: ops, mute_time_intervals: [night]}
          receivers:
            - {name: ops, webhook_configs: [{url: nowhere}]}
            - {name: ops}
        """
    )
    assert [line.split(" ")[0] for line in found] == ["4", "5", "7", "9", "10"]


def test_secrets_are_in_no_error_and_in_no_print():
    text = """
        notify:
          route: {receiver: ops}
          receivers:
            - name: ops
              webhook_configs:
                - {url: "https://user:hunter2@host/token-in-path", secret: "SECRET"}
    """
    assert not [m for m in mistakes(text) if "SECRET" in m or "hunter2" in m]
    fine = load(None, text=textwrap.dedent(text).replace('secret: "SECRET"', "max_alerts: 1"))
    shown = repr(fine.notify) + fine.notify.model_dump_json()
    assert "hunter2" not in shown
    assert "token-in-path" not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (with_route("routes: [{receiver: ops}, {receiver: ops, matchers: [a=b]}]"),
         "never asked"),
        (with_channel("slack_configs: [{bot_token: x, channel: c}]"), "add `send_resolved: true`"),
        (with_channel("slack_configs: [{bot_token: x, channel: c, send_resolved: true}]"), None),
        (VALID, None),
        ("""
notify:
  route: {receiver: ops}
  receivers: [{name: ops}, {name: spare}]
""", "no route sends to 'spare'"),
        ("""
notify:
  route: {receiver: ops}
  receivers: [{name: ops}]
  time_intervals: [{name: night, time_intervals: [{location: Europe/Paris}]}]
""", "always on"),
        ("""
notify:
  route: {receiver: ops}
  receivers: [{name: ops}]
  inhibit_rules: [{target_matchers: [a=b]}]
""", "every alert is a source"),
    ],
)  # fmt: skip
def test_what_is_legal_but_surprising(text, words):
    warnings = load(None, text=text).warnings
    if words is None:
        assert warnings == ()
    else:
        assert any(words in w for w in warnings), warnings


def interval(**keys) -> TimeInterval:
    return TimeInterval.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "inside", "outside"),
    [
        ({"times": [{"start_time": "17:30", "end_time": "24:00"}]},
         ["2026-01-05T17:30", "2026-01-05T23:59"], ["2026-01-05T17:29", "2026-01-05T00:00"]),
        ({"weekdays": ["monday:friday"]}, ["2026-01-05T12:00", "2026-01-09T23:59"],
         ["2026-01-10T00:00", "2026-01-11T12:00"]),
        ({"weekdays": ["sunday"]}, ["2026-01-11T12:00"], ["2026-01-12T12:00"]),
        ({"days_of_month": ["-1"]}, ["2026-02-28T12:00", "2024-02-29T12:00"],
         ["2024-02-28T12:00", "2026-02-27T12:00"]),
        ({"days_of_month": ["1:5", "-3:-1"]}, ["2026-01-05T00:00", "2026-01-29T00:00"],
         ["2026-01-06T00:00", "2026-01-28T00:00"]),
        ({"days_of_month": ["31"]}, ["2026-01-31T00:00"], ["2026-02-28T00:00", "2026-04-30T00:00"]),
        ({"days_of_month": ["-31:31"]}, [], []),
        ({"months": ["may:august", "12"]}, ["2026-05-01T00:00", "2026-12-31T00:00"],
         ["2026-04-30T23:59", "2026-09-01T00:00"]),
        ({"years": ["2025:2027"]}, ["2026-01-01T00:00"], ["2028-01-01T00:00"]),
        ({"times": [{"start_time": "09:00", "end_time": "10:00"}], "location": "Europe/Paris"},
         ["2026-01-05T08:30", "2026-07-05T07:30"], ["2026-07-05T08:30"]),
        ({"weekdays": ["monday"], "location": "Asia/Tokyo"}, ["2026-01-04T15:00"],
         ["2026-01-05T15:00"]),
        ({}, ["2026-01-05T08:30"], []),
        ({"times": []}, [], ["2026-01-05T08:30"]),
    ],
)  # fmt: skip
def test_times_inside_and_outside(keys, inside, outside):
    if keys == {"days_of_month": ["-31:31"]}:
        with pytest.raises(ValueError, match="begins at the back"):
            interval(**keys)
        return
    made = interval(**keys)
    for text in inside:
        assert made.contains(datetime.fromisoformat(text).replace(tzinfo=UTC)), text
    for text in outside:
        assert not made.contains(datetime.fromisoformat(text).replace(tzinfo=UTC)), text


@pytest.mark.parametrize(
    "keys",
    [
        {"times": [{"start_time": "9:00", "end_time": "10:00"}]},
        {"times": [{"start_time": "24:00", "end_time": "24:00"}]},
        {"times": [{"start_time": "10:00", "end_time": "10:00"}]},
        {"times": [{"start_time": "10:00"}]},
        {"weekdays": ["friday:monday"]},
        {"weekdays": ["someday"]},
        {"days_of_month": ["0"]},
        {"days_of_month": ["32"]},
        {"days_of_month": ["5:1"]},
        {"days_of_month": ["-1:-3"]},
        {"days_of_month": ["30:-5"]},
        {"months": ["13"]},
        {"months": ["may:april"]},
        {"years": ["2027:2025"]},
        {"location": "Europe/Pariss"},
        {"location": "../etc/passwd"},
    ],
)
def test_mistakes_of_a_time_interval(keys):
    with pytest.raises(ValueError, match="."):
        interval(**keys)
