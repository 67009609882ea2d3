"""Where the embedded Redis of `up` keeps its data."""

import pytest

from inferwatch.errors import UsageError
from inferwatch.settings import load
from inferwatch.up.redis_folder import redis_folder


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def settings(broker="kafka://a:1", redis="embedded", prefix=""):
    text = f"broker: {{url: '{broker}'}}\nredis: {{url: '{redis}'}}\n"
    return load(None, text=f"{text}topics: {{prefix: '{prefix}'}}")


def folder_of(settings, tmp_path):
    with redis_folder(settings, tmp_path) as folder:
        return folder


def test_beside_an_embedded_broker_it_is_temporary(tmp_path, state):
    assert folder_of(settings(broker="embedded"), tmp_path) == tmp_path / "redis-data"
    assert not state.exists()


def test_beside_a_real_broker_it_stays_the_same(tmp_path, state):
    first = folder_of(settings(), tmp_path)
    assert first.parent == state / "inferwatch"
    assert folder_of(settings(), tmp_path) == first


def test_each_broker_and_each_prefix_has_its_own(tmp_path):
    configs = [settings(), settings(broker="kafka://b:1"), settings(prefix="eu.")]
    assert len({folder_of(config, tmp_path) for config in configs}) == 3


def test_it_is_taken_by_one_at_a_time(tmp_path):
    with (
        redis_folder(settings(), tmp_path),
        pytest.raises(UsageError, match=r"another `inferwatch up`"),
        redis_folder(settings(), tmp_path),
    ):
        pass
