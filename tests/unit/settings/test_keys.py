"""Every key of the config: another value than the default changes what is read."""

from functools import reduce

import pytest

from inferwatch.settings import Settings, load
from inferwatch.settings.anatomy import section_in
from inferwatch.settings.types import WindowSpec

HOUR = 3_600_000
DAY = 24 * HOUR
SASL = "protocol: SASL_SSL, mechanism: PLAIN, username: u, password: p"

# The key, a text that sets it, and what is read then. `0` in a path is the first of a list.
KEYS = [
    ("broker.url", "broker: {url: 'kafka://a:1,b'}", "kafka://a:1,b:9092"),
    ("broker.api_version", "broker: {api_version: 2.3}", "2.3"),
    ("broker.security.protocol", "broker: {security: {protocol: SSL}}", "SSL"),
    ("broker.security.mechanism", f"broker: {{security: {{{SASL}}}}}", "PLAIN"),
    ("broker.security.username", f"broker: {{security: {{{SASL}}}}}", "u"),
    ("broker.security.password", f"broker: {{security: {{{SASL}}}}}", "p"),
    ("broker.security.ca_file", "broker: {security: {protocol: SSL, ca_file: ca.pem}}", "ca.pem"),
    ("broker.security.cert_file", "broker: {security: {protocol: SSL, cert_file: c}}", "c"),
    (
        "broker.security.key_file",
        "broker: {security: {protocol: SSL, cert_file: c, key_file: k}}",
        "k",
    ),
    ("broker.security.key_password", "broker: {security: {protocol: SSL, key_password: x}}", "x"),
    ("broker.security.verify_hostname", "broker: {security: {verify_hostname: false}}", False),
    ("redis.url", "redis: {url: 'rediss://h:1/2'}", "rediss://h:1/2"),
    ("redis.username", "redis: {username: yes}", "yes"),
    ("redis.password", "redis: {password: 1.10}", "1.10"),
    ("redis.ca_file", "redis: {url: 'rediss://h', ca_file: ca.pem}", "ca.pem"),
    ("redis.cluster", "redis: {cluster: true}", True),
    ("redis.sentinel", "redis: {sentinel: mymaster}", "mymaster"),
    ("topics.prefix", "topics: {prefix: eu.}", "eu."),
    ("topics.partitions", "topics: {partitions: 12}", 12),
    ("topics.replication", "topics: {replication: 3}", 3),
    ("start", "start: 2h", 2 * HOUR),
    ("limits.event_bytes", "limits: {event_bytes: 64KiB}", 65_536),
    ("limits.future", "limits: {future: 0}", 0),
    ("limits.idle", "limits: {idle: 250ms}", 250),
    ("limits.models", "limits: {models: 1}", 1),
    ("limits.segments", "limits: {segments: 2}", 2),
    ("limits.categories", "limits: {categories: 3}", 3),
    ("retention.restate", "retention: {restate: 1h30m}", 5_400_000),
    ("retention.history", "retention: {history: 2w}", 14 * DAY),
    ("defaults.windows", "defaults: {windows: [15m/1m]}", (WindowSpec("15m/1m", 900_000, 60_000),)),
    ("defaults.lateness", "defaults: {lateness: 5s}", 5_000),
    ("defaults.reference.learn", "defaults: {reference: {learn: off}}", None),
    ("models.0.name", "models: [{name: 17:30}]", "17:30"),
    ("models.0.task", "models: [{name: a, task: multiclass}]", "multiclass"),
    ("models.0.positive", "models: [{name: a, positive: 1.0}]", "1"),
    ("models.0.classes", "models: [{name: a, classes: [1, 2.50, no]}]", ("1", "2.5", "no")),
    ("models.0.windows", "models: [{name: a, windows: [7s]}]", (WindowSpec("7s", 7_000, 7_000),)),
    ("models.0.lateness", "models: [{name: a, lateness: 1d}]", DAY),
    ("models.0.reference.learn", "models: [{name: a, reference: {learn: 2h}}]", 2 * HOUR),
    ("models.0.segments", "models: [{name: a, segments: [region]}]", ("region",)),
    ("models.0.labels.horizon", "models: [{name: a, labels: {horizon: 6h}}]", 6 * HOUR),
    ("models.0.labels.sample", "models: [{name: a, labels: {sample: .25}}]", 0.25),
    ("models.0.labels.wait", "models: [{name: a, labels: {wait: 10m}}]", 600_000),
    ("models.0.labels.memory", "models: [{name: a, labels: {memory: 1GiB}}]", 2**30),
    ("models.0.features.include", "models: [{name: a, features: {include: [x]}}]", ("x",)),
    ("models.0.features.exclude", "models: [{name: a, features: {exclude: [x]}}]", ("x",)),
    ("models.0.features.categorical", "models: [{name: a, features: {categorical: [x]}}]", ("x",)),
    ("models.0.expect", "models: [{name: a, expect: {accuracy: 0.85}}]", {"accuracy": 0.85}),
    ("models.0.tags", "models: [{name: a, tags: {team: 007}}]", {"team": "007"}),
    ("alerting.budget.pages", "alerting: {budget: {pages: 0.5}}", 0.5),
    ("alerting.budget.tickets", "alerting: {budget: {tickets: 9}}", 9.0),
    ("dashboard.listen", "dashboard: {listen: '[::1]:80'}", "[::1]:80"),
    ("dashboard.auth.token", "dashboard: {auth: {token: x}}", "x"),
    ("deadletter.keep", "deadletter: {keep: none}", "none"),
    ("bridge.topics.0.topic", "bridge: {topics: [{topic: t, kind: label}]}", "t"),
    ("bridge.admin", "bridge: {admin: '127.0.0.1:9002'}", "127.0.0.1:9002"),
    ("bridge.topics.0.kind", "bridge: {topics: [{topic: t, kind: label}]}", "label"),
    (
        "bridge.topics.0.map",
        "bridge: {topics: [{topic: t, kind: label, map: {id: $.i, ts: $.t, label: =x}}]}",
        {"id": "$.i", "ts": "$.t", "label": "=x"},
    ),
]

# Their keys have tests beside the parts that act on them.
TESTED_ELSEWHERE = ("rules", "notify", "sidecar")


def value_of(settings, path):
    def step(here, part):
        if here is None:
            return None
        if not part.isdecimal():
            return getattr(here, part)
        return here[int(part)] if here else None

    value = reduce(step, path.split("."), settings)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


@pytest.mark.parametrize(("path", "text", "value"), KEYS, ids=[k[0] for k in KEYS])
def test_another_value_is_read_and_differs_from_the_default(path, text, value):
    read = value_of(load("f", text=text), path)

    assert read == value
    assert type(read) is type(value) or isinstance(read, str)
    assert value_of(Settings(), path) != value


def paths_of(section, above=""):
    for key, name in section.known_keys().items():
        annotation = section.model_fields[name].annotation
        inner = section_in(annotation)
        listed = "tuple" in str(annotation)
        if above + key in TESTED_ELSEWHERE:
            continue
        if inner is None:
            yield above + key
        else:
            yield from paths_of(inner, f"{above}{key}.{'0.' if listed else ''}")


def test_every_key_of_the_tree_stands_in_the_table():
    assert {k[0] for k in KEYS} == set(paths_of(Settings))


def test_every_section_may_be_absent_or_empty():
    assert load("f", text="") == Settings() == load(None)
    for section in Settings.known_keys():
        assert load("f", text=f"{section}:\n") == Settings()


def test_a_key_without_a_value_is_as_good_as_absent():
    assert load("f", text="topics: {partitions: , prefix: ~}") == Settings()
    assert (
        load("f", text="models: [{name: a, reference: {learn: }}]").for_model("a").reference.learn
        == 24 * HOUR
    )


def test_no_rules_differ_from_absent_rules():
    assert load("f", text="rules: []").rules == ()
    assert load("f", text="").rules is None


def test_the_tree_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load("f", text="").topics.prefix = "x"
