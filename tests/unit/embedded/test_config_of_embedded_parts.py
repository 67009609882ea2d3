"""The config that `up` hands to its children: the user's, with addresses filled in."""

import pytest

from inferwatch.embedded.config import fill_in
from inferwatch.settings import load

ADDRESSES = {
    ("broker", "url"): "kafka://127.0.0.1:4711",
    ("broker", "api_version"): "2.3",
    ("redis", "url"): "redis://127.0.0.1:4712/0",
}

CONFIG = """\
broker: {url: embedded}   # for trying
redis:
  url: "embedded"
models:
  - {name: a, task: multiclass, classes: [1.0, "1.0", yes], tags: &tags {team: "${TEAM}"}}
  - name: b
    tags: *tags
    segments: []
dashboard:
  auth: {token: "${file:secrets/token}"}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEAM", "risk: #1")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("t" * 32)
    (tmp_path / "inferwatch.yaml").write_text(CONFIG)
    return tmp_path


def test_only_the_addresses_differ(folder):
    before = load(str(folder / "inferwatch.yaml"))
    after = load("elsewhere/x.yaml", text=fill_in(CONFIG, folder, ADDRESSES))
    assert after.broker.url == "kafka://127.0.0.1:4711"
    assert after.broker.api_version == "2.3"
    assert after.redis.url == "redis://127.0.0.1:4712/0"
    same = {"broker", "redis"}
    assert after.model_dump(exclude=same) == before.model_dump(exclude=same)
    assert after.dashboard.auth.token.get_secret_value() == "t" * 32


def test_secrets_are_not_copied(folder):
    text = fill_in(CONFIG, folder, ADDRESSES)
    assert "risk: #1" not in text
    assert "ttt" not in text


@pytest.mark.parametrize("text", ["", "broker:\nredis: ~", "broker: {}", "# nothing"])
def test_missing_sections_are_added(text, tmp_path):
    assert (
        load(None, text=fill_in(text, tmp_path, ADDRESSES)).redis.url == ADDRESSES["redis", "url"]
    )


def test_a_literal_marker_stays_one(tmp_path):
    text = "models: [{name: m, tags: {path: '$${file:x}'}}]"
    filled = load(None, text=fill_in(text, tmp_path, {}))
    assert filled.for_model("m").tags == {"path": "${file:x}"}
