"""What a wrong config is answered with: the exact line, at the exact place."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferwatch.errors import ConfigError
from inferwatch.settings import load
from inferwatch.settings.example import example_text

EXAMPLE = example_text()


def lines(text):
    with pytest.raises(ConfigError) as raised:
        load("f", text=text)
    return raised.value.mistakes


# A text, and the one line that it is answered with.
WRONG = [
    ("brokr: {}", "1:1: brokr: unknown key; did you mean broker? allowed are alerting, bridge, "
     "broker, dashboard, deadletter, defaults, limits, models, notify, redis, retention, rules, "
     "sidecar, start, topics"),
    ("topics: {zzz: 1}", "1:10: topics.zzz: unknown key; allowed are partitions, prefix, "
     "replication"),
    ("zzz:", "1:1: zzz: unknown key; allowed are alerting, bridge, broker, dashboard, deadletter, "
     "defaults, limits, models, notify, redis, retention, rules, sidecar, start, topics"),
    ("topics: 4", "1:9: topics: a mapping (key: value) is wanted here"),
    ("topics: [a]", "1:9: topics: a mapping (key: value) is wanted here"),
    ("topics: {partitions: four}", "1:22: topics.partitions: 'four' is no whole number"),
    ("topics: {partitions: 0}", "1:22: topics.partitions: '0' is too small; "
     "allowed is at least 1"),
    ("topics: {partitions: 1.5}", "1:22: topics.partitions: '1.5' is no whole number"),
    ("topics: {replication: []}", "1:23: topics.replication: a whole number is wanted here, "
     "not a list"),
    ("topics: {prefix: a/b}", "1:18: topics.prefix: 'a/b' fits no topic; "
     "allowed are letters, digits, '.', '_', '-'"),
    ("start: yesterday", "1:8: start: 'yesterday' is no place to start; "
     "allowed are earliest, latest and a duration (2h)"),
    ("broker: {url: 'http://a'}", "1:15: broker.url: 'http://a' is no broker; allowed are "
     "kafka://HOST:PORT, kafka://HOST:PORT,HOST:PORT and embedded"),
    ("broker: {url: 'kafka://a:99999'}", "1:15: broker.url: 'kafka://a:99999' is no broker; "
     "allowed are kafka://HOST:PORT, kafka://HOST:PORT,HOST:PORT and embedded"),
    ("broker: {api_version: 4.0}", "1:23: broker.api_version: '4.0' is not allowed here; "
     "allowed are 2.3"),
    ("broker: {security: {protocol: TLS}}", "1:31: broker.security.protocol: 'TLS' is not allowed "
     "here; allowed are PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
    ("broker: {security: {mechanism: PLAIN}}", "1:32: broker.security.mechanism: PLAINTEXT does "
     "not log in; allowed with SASL_… only"),
    ("broker: {security: {ca_file: x}}", "1:30: broker.security.ca_file: PLAINTEXT is not "
     "encrypted; allowed with …SSL only"),
    ("broker: {security: {protocol: SSL, key_file: x}}", "1:46: broker.security.key_file: "
     "a key without a certificate; add `cert_file`"),
    ("broker: {security: {verify_hostname: yes}}", "1:38: broker.security.verify_hostname: "
     "'yes' is no boolean; allowed are true and false"),
    ("redis: {url: 'http://a:1'}", "1:14: redis.url: this is no Redis address; allowed are "
     "redis://[USER:PASSWORD@]HOST:PORT/DB, rediss://…, unix:///PATH and embedded"),
    ("redis: {url: 'redis://a/x'}", "1:14: redis.url: the database at the end of the address is "
     "a number: redis://HOST:PORT/0"),
    ("redis: {cluster: true, sentinel: m}", "1:34: redis.sentinel: behind Sentinel there is no "
     "cluster; allowed is one"),
    ("redis: {url: embedded, cluster: true}", "1:33: redis.cluster: allowed with redis:// and "
     "rediss:// addresses only"),
    ("redis: {url: 'redis://:p@h', password: q}", "1:40: redis.password: the address has one "
     "already; keep one of them"),
    ("redis: {ca_file: x}", "1:18: redis.ca_file: allowed with a rediss:// address only"),
    ("limits: {event_bytes: 1Mb}", "1:23: limits.event_bytes: '1Mb' is no size; "
     "allowed are 64KiB, 1MiB, 1GiB, 512"),
    ("limits: {future: 5}", "1:18: limits.future: '5' is no duration; "
     "allowed are 10s, 5m, 1h, 7d, 250ms, 1h30m"),
    ("limits: {future: -5m}", "1:18: limits.future: '-5m' is no duration; "
     "allowed are 10s, 5m, 1h, 7d, 250ms, 1h30m"),
    ("limits: {future: 40000d}", "1:18: limits.future: '40000d' is too long; "
     "allowed is at most 36525d"),
    ("limits: {idle: 0}", "1:16: limits.idle: '0' is too small; allowed is at least 1"),
    ("limits: {idle: {a: 1}}", "1:10: limits.idle: a duration is wanted here, not a mapping"),
    ("retention: {restate: 8d}", "1:22: retention.restate: longer than `history`: a corrected "
     "window would be gone; allowed is at most `history`"),
    ("defaults: {windows: []}", "1:21: defaults.windows: without a window nothing is watched; "
     "allowed are [1m, 15m/1m]"),
    ("defaults: {windows: 5m}", "1:21: defaults.windows: a list is wanted here"),
    ("defaults: {windows: [5]}", "1:22: defaults.windows[0]: '5' is no window; "
     "allowed are a size (5m), or a size and a slide (15m/1m)"),
    ("defaults: {windows: [1m/5m]}", "1:22: defaults.windows[0]: '1m/5m': the slide is larger "
     "than the size, rows would be left out; allowed is a slide up to the size"),
    ("defaults: {windows: [0]}", "1:22: defaults.windows[0]: '0': a window and its slide are "
     "longer than 0"),
    ("defaults: {windows: [1m, 1m]}", "1:26: defaults.windows[1]: '1m' stands in this list twice; "
     "allowed is once"),
    ("defaults: {reference: {learn: no}}", "1:31: defaults.reference.learn: 'no' is neither a "
     "duration nor off; allowed are 24h, off"),
    ("defaults: {reference: {learn: 0}}", "1:31: defaults.reference.learn: nothing can be learned "
     "from 0; allowed are 24h, off"),
    ("models: {name: a}", "1:1: models: a list is wanted here"),
    ("models: [a]", "1:10: models[0]: a mapping (key: value) is wanted here"),
    ("models: [{task: binary}]", "1:10: models[0].name: is missing "
     "(A name or a glob; the first match wins)"),
    ("models: [{name: ''}]", "1:17: models[0].name: an empty text is not allowed here"),
    ("models: [{name: a}, {name: a}]", "1:28: models[1].name: 'a' stands here twice; "
     "allowed is once"),
    ("models: [{name: a, task: ranking}]", "1:26: models[0].task: 'ranking' is not allowed here; "
     "allowed are binary, multiclass, regression"),
    ("models: [{name: a, classes: [x, y], positive: z}]", "1:47: models[0].positive: 'z' is no "
     "class; allowed are x, y"),
    ("models: [{name: a, classes: [x]}]", "1:29: models[0].classes: a classifier has two classes "
     "at least"),
    ("models: [{name: a, task: binary, classes: [x, y, z]}]", "1:43: models[0].classes: "
     "3 classes; task binary has two"),
    ("models: [{name: a, classes: [1, 1.0]}]", "1:33: models[0].classes[1]: '1' stands in this "
     "list twice; allowed is once"),
    ("models: [{name: a, task: regression, positive: x}]", "1:48: models[0].positive: "
     "a regression has no classes; allowed for binary"),
    ("models: [{name: a, task: multiclass, positive: x}]", "1:48: models[0].positive: "
     "allowed for task binary only"),
    ("models: [{name: a, segments: [r, r]}]", "1:34: models[0].segments[1]: 'r' stands in this "
     "list twice; allowed is once"),
    ("models: [{name: a, labels: {sample: 0}}]", "1:37: models[0].labels.sample: '0' is too "
     "small; allowed is more than 0"),
    ("models: [{name: a, labels: {sample: 2}}]", "1:37: models[0].labels.sample: '2' is too "
     "large; allowed is at most 1"),
    ("models: [{name: a, labels: {wait: soon}}]", "1:35: models[0].labels.wait: 'soon' is neither "
     "a duration nor auto; allowed are 10m, auto"),
    ("models: [{name: a, labels: {horizon: 1h, wait: 2h}}]", "1:48: models[0].labels.wait: longer "
     "than `horizon`; allowed is at most that"),
    ("models: [{name: a, labels: {horizon: 0}}]", "1:38: models[0].labels.horizon: no label could "
     "count; allowed is more than 0"),
    ("models: [{name: a, expect: {acuracy: 0.8}}]", "1:38: models[0].expect.acuracy: no measure "
     "of performance; allowed are accuracy, precision, recall, f1, roc_auc, log_loss, brier, ece, "
     "mae, rmse, r2, bias, mape, and train_…"),
    ("models: [{name: a, expect: {accuracy: 85}}]", "1:39: models[0].expect.accuracy: 85 is no "
     "share; allowed is 0 to 1"),
    ("models: [{name: a, expect: {mae: nan}}]", "1:34: models[0].expect.mae: 'nan' is no number"),
    ("models: [{name: a, tags: {a-b: x}}]", "1:32: models[0].tags.a-b: no label name; "
     "allowed are letters, digits and _"),
    ("models: [{name: a, tags: {model: x}}]", "1:34: models[0].tags.model: every alert has this "
     "label already; take another name"),
    ("alerting: {budget: {pages: -1}}", "1:28: alerting.budget.pages: '-1' is too small; "
     "allowed is at least 0"),
    ("dashboard: {listen: 8088}", "1:21: dashboard.listen: '8088' is no address; "
     "allowed is HOST:PORT, such as 127.0.0.1:8088"),
    ("dashboard: {auth: {}}", "1:13: dashboard.auth.token: is missing "
     "(What a browser or a client has to show)"),
    ("deadletter: {keep: all}", "1:20: deadletter.keep: 'all' is not allowed here; "
     "allowed are full, hash, none"),
    ("bridge: {topics: [{topic: t, kind: event}]}", "1:36: bridge.topics[0].kind: 'event' is not "
     "allowed here; allowed are prediction, latency, resource, label"),
    ("bridge: {topics: [{topic: t, kind: label, map: {id: $.i, ts: $.t, label: l}}]}",
     "1:74: bridge.topics[0].map.label: 'l' is neither a path nor a constant; "
     "allowed are $.key and =value"),
    ("bridge: {topics: [{topic: t, kind: label, map: {id: $.i, ts: $.t, label: =l, x: =1}}]}",
     "1:81: bridge.topics[0].map.x: no key of a label; allowed are id, ts, label"),
    ("bridge: {topics: [{topic: t, kind: label, map: {ts: $.t, label: =l}}]}",
     "1:48: bridge.topics[0].map: `id` is missing; every label needs it"),
    ("bridge: {topics: [{topic: t, kind: label, map: {id: $.i, ts: =5, label: $.y}}]}",
     "1:62: bridge.topics[0].map.ts: every event has a time of its own; allowed is a path ($.key)"),
    ("bridge: {topics: [{topic: t, kind: label, map: {id: $.i, ts: $.t, label: $.y z}}]}",
     "1:74: bridge.topics[0].map.label: '$.y z' cannot be read at ' z'; allowed are .name, "
     "['any name'], [0] and [*]"),
    ("bridge: {topics: [{topic: t, kind: latency, "
     "map: {model: =m, ts: $.t, latency_ms: $.l, status: =ok}}]}",
     "1:96: bridge.topics[0].map.status: '=ok' is no number; allowed are $.key and =200"),
    ("bridge: {topics: [{topic: t, kind: label}, {topic: t, kind: label}]}",
     "1:52: bridge.topics[1].topic: 't' is bridged twice; allowed is once a topic"),
    ("rules: [{name: a, metric: quality.accuracy, when: '< 1'}, "
     "{name: a, metric: quality.accuracy, when: '< 1'}]",
     "1:66: rules[1].name: 'a' stands here twice; allowed is once"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[w[0] for w in WRONG])
def test_a_wrong_config_is_answered_with_one_line_at_its_place(text, line):
    assert lines(text) == [f"f:{line}"]


def test_all_mistakes_are_listed_at_once_in_the_order_of_the_text():
    found = lines(
        "topics: {partitions: x, zzz: 1}\n"
        "models:\n"
        "  - name: a\n"
        "    windows: [1m/5m]\n"
        "    positive: c\n"
        "    classes: [a, b, b]\n"
        "  - nmae: b\n"
        "  - name: a\n"
        "    task: what\n"
        "limits: {idle: 1, future: '${NO_SUCH_VARIABLE}'}\n"
        "topics: {}\n"
    )
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in found] == [
        "f:1:22 topics.partitions",
        "f:1:25 topics.zzz",
        "f:4:15 models[0].windows[0]",
        "f:6:21 models[0].classes[2]",
        "f:7:5 models[1].name",
        "f:7:5 models[1].nmae",
        "f:8:11 models[2].name",
        "f:9:11 models[2].task",
        "f:10:16 limits.idle",
        "f:10:27 limits.future",
        "f:11:1 topics",
    ]


def test_keys_are_compared_also_where_another_key_of_the_section_is_wrong():
    found = lines("models: [{name: a, lateness: x, zzz: {b: 1}, classes: [x, y], positive: z}]")
    assert [line.split(": ")[1] for line in found] == [
        "models[0].lateness",
        "models[0].zzz",
        "models[0].positive",
    ]


def test_nothing_is_told_of_a_key_that_could_not_be_read():
    found = lines(
        "broker: {security: {protocol: SASL_SSL, mechanism: X, username: u, password: p}}"
    )
    assert [line.split(": ")[1] for line in found] == ["broker.security.mechanism"]


def test_a_missing_login_is_told_key_by_key():
    assert lines("broker: {security: {protocol: SASL_SSL}}") == [
        "f:1:20: broker.security: `mechanism` is missing; SASL_SSL needs it",
        "f:1:20: broker.security: `password` is missing; SASL_SSL needs it",
        "f:1:20: broker.security: `username` is missing; SASL_SSL needs it",
    ]


def test_no_jargon_of_the_validator_is_told():
    for text, _ in WRONG:
        for jargon in ("Input", "pydantic", "Value error", "type="):
            assert jargon not in "\n".join(lines(text))


def test_an_absent_file_is_one_line(tmp_path):
    for path, reason in (
        (tmp_path / "gone.yaml", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(ConfigError) as raised:
            load(str(path))
        assert raised.value.mistakes == [
            f"{path}:1:1: config: cannot be read: {reason}; allowed is a file, or - for "
            "standard input"
        ]


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_bytes(b"a: 1\nb: \xff\xfe")
    with pytest.raises(ConfigError) as raised:
        load(str(file))
    assert raised.value.mistakes == [f"{file}:2:4: config: is no UTF-8 text; save it as UTF-8"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_may_have_a_byte_order_mark(tmp_path, encoding):
    file = tmp_path / "c.yaml"
    file.write_text("topics: {prefix: a.}\r\n", encoding=encoding)
    assert load(str(file)).topics.prefix == "a."


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 3_000), st.integers(0, 40), st.text(max_size=4))
def test_whatever_is_written_into_a_config_is_read_or_answered_in_lines(start, length, text):
    start = min(start, len(EXAMPLE))
    broken = EXAMPLE[:start] + text + EXAMPLE[start + length :]
    try:
        load("f", text=broken)
    except ConfigError as error:
        for line in error.mistakes:
            assert re.match(r"f:\d+:\d+: .+: .+", line)
            assert len(line.splitlines()) == 1


def test_a_key_of_two_lines_is_told_in_one():
    (line,) = lines('"a\\nb": 1')
    assert line.startswith('f:1:1: "a b": unknown key')
