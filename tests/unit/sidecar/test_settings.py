"""The sidecar's section of the config."""

import pytest

from inferwatch.errors import ConfigError
from inferwatch.settings import load

WHOLE = """
sidecar:
  upstream: http://127.0.0.1:8080
  listen: 127.0.0.1:9000
  model: fraud
  version: "7"
  protocol: auto
  routes: [{path: /predict, inputs: $.features, outputs: $.label, scores: $.proba, id: $.id}]
  features: {names: [amount, country], allow: ["*"], deny: [], hash: [user_id]}
  redact: [email]
  errors: {text: false}
  headers: {allow: [x-request-id]}
  segments: {region: header:x-region}
  sample: {predictions: 1.0}
  batch: {rows: 1024, bytes: 512KiB, every: 1s}
  mint_ids: false
  queue: 64MiB
  spool: {dir: /var/lib/inferwatch, max: 1GiB}
  admin: 127.0.0.1:9001
  resources: {pid: auto, every: 10s}
"""


def test_every_key_of_the_section():
    sidecar = load(None, text=WHOLE).sidecar
    assert sidecar.batch.bytes == 512 * 1024
    assert sidecar.resources.pid is None
    assert sidecar.spool.max == 2**30
    assert sidecar.segments == {"region": "header:x-region"}


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("upstream: tcp://x:1", "sidecar.upstream"),
        ("upstream: http://u:p@x:1", "sidecar.upstream"),
        ("upstream: http://x:1/v2", "sidecar.upstream"),
        ("admin: 0.0.0.0:9001", "sidecar.admin"),
        ("segments: {a: cookie:x}", "sidecar.segments.a"),
        ("sample: {predictions: 1.5}", "sidecar.sample.predictions"),
        ("batch: {rows: 65537}", "sidecar.batch.rows"),
        ("batch: {rows: 0}", "sidecar.batch.rows"),
        ("resources: {pid: me}", "sidecar.resources.pid"),
        ("routes: [{path: predict}]", "sidecar.routes.0.path"),
        ("routes: [{path: /p, inputs: features}]", "sidecar.routes.0.inputs"),
        ("routes: [{path: /p, outputs: $..y}]", "sidecar.routes.0.outputs"),
        ("routes: [{path: /p, id: '$[?(@.x)]'}]", "sidecar.routes.0.id"),
        ("protocol: soap", "sidecar.protocol"),
        ("queue: 1KiB", "sidecar.queue"),
        ("collector: {wait: 1ms}", "sidecar.collector.wait"),
        ("collector: {pairs: 0}", "sidecar.collector.pairs"),
        ("spool: {max: 1GiB}", "sidecar.spool.dir"),
        ("spool: {dir: ''}", "sidecar.spool.dir"),
        ("spool: {dir: /tmp/x, max: 1KiB}", "sidecar.spool.max"),
        ("unknown: 1", "sidecar.unknown"),
    ],
)
def test_mistakes_name_their_key(line, key):
    with pytest.raises(ConfigError) as caught:
        load(None, text=f"sidecar:\n  {line}\n")
    assert any(
        key in mistake.replace("[", ".").replace("]", "") for mistake in caught.value.mistakes
    )


def test_an_open_admin_address_is_allowed_with_a_token():
    text = "sidecar: {admin: '0.0.0.0:9001', admin_token: s3cret}"
    settings = load(None, text=text)
    assert settings.sidecar.admin_token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("spool: {dir: /tmp/x, max: 1000KiB}", "spool.max"),
        ("protocol: json", "protocol"),
        ("headers: {allow: [x-request-id, x-team]}", "headers.allow"),
        ("features: {hash: [user]}", "features.hash"),
    ],
)
def test_what_is_accepted_and_does_not_act_is_warned_of(line, key):
    (warning,) = load(None, text=f"sidecar:\n  {line}\n").warnings
    assert f"sidecar.{key}" in warning.replace("[", ".")


def test_what_acts_is_not_warned_of():
    text = """
sidecar:
  routes: [{path: /p, inputs: $.x, outputs: "$.y[*]"}]
  headers: {allow: []}
  spool: {dir: /x}
"""
    assert load(None, text=text).warnings == ()
