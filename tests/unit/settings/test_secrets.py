"""`${ENV}` and `${file:PATH}`: filled in, and never told."""

from pathlib import Path

import pytest

from inferwatch.errors import ConfigError
from inferwatch.settings import load
from inferwatch.settings.substitution import Substitution, SubstitutionError


def lines(text, path="f"):
    with pytest.raises(ConfigError) as raised:
        load(path, text=text)
    return raised.value.mistakes


def test_a_variable_is_filled_in_anywhere_in_a_value(monkeypatch):
    monkeypatch.setenv("WHO", "eu")
    assert load("f", text="topics: {prefix: 'a.${WHO}.'}").topics.prefix == "a.eu."


def test_a_file_is_filled_in_without_its_last_newline(tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    config = tmp_path / "c.yaml"
    config.write_text("dashboard: {auth: {token: '${file:token}'}}")

    auth = load(str(config)).dashboard.auth
    assert auth is not None
    assert auth.token.get_secret_value() == "s3cret"


def test_two_dollars_are_a_literal_marker():
    assert Substitution({}, Path()).fill("$${X} costs $5") == "${X} costs $5"


def test_a_value_is_not_searched_for_markers_again():
    assert Substitution({"A": "${B}"}, Path()).fill("${A}") == "${B}"


def test_a_secret_stands_in_no_repr(monkeypatch):
    monkeypatch.setenv("PW", "hunter2")
    settings = load("f", text="redis: {password: '${PW}'}\ndashboard: {auth: {token: '${PW}'}}")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())


def test_an_unset_variable_is_one_mistake_at_its_place():
    assert lines("topics:\n  partitions: ${NO_SUCH_VARIABLE}\n") == [
        "f:2:15: topics.partitions: the environment variable NO_SUCH_VARIABLE is not set; set it"
    ]


def test_an_unreadable_file_is_one_mistake_at_its_place(tmp_path):
    missing = tmp_path / "gone"
    assert lines(f"redis: {{password: '${{file:{missing}}}'}}") == [
        f"f:1:19: redis.password: the file {missing} cannot be read: No such file or directory"
    ]


def test_a_marker_that_is_no_name_is_a_mistake():
    with pytest.raises(SubstitutionError, match=r"allowed are \$\{NAME\} and \$\{file:PATH\}"):
        Substitution({}, Path()).fill("${not a name}")


@pytest.mark.parametrize(
    "text",
    [
        "topics: {partitions: '${SECRET}'}",
        "topics: {prefix: '${SECRET} x'}",
        "redis: {url: '${SECRET}'}",
        "broker: {url: 'kafka://${SECRET}:x'}",
        "deadletter: {keep: '${SECRET}'}",
        "models: [{name: a, windows: ['${SECRET}']}]",
        "models: [{name: a, classes: [x, y], positive: '${SECRET}'}]",
        "models: [{name: a, classes: ['${SECRET}', '${SECRET}']}]",
        "models: [{name: '${SECRET}'}, {name: '${SECRET}'}]",
        "notify: {route: {receiver: '${SECRET}'}, receivers: [{name: a}]}",
        "notify: {route: {receiver: a, matchers: ['${SECRET}=']}, receivers: [{name: a}]}",
        "rules: [{name: a, metric: '${SECRET}', when: '> 1'}]",
        "sidecar: {upstream: '${SECRET}'}",
    ],
)
def test_no_mistake_tells_a_value_that_was_filled_in(text, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2 and more")
    told = "\n".join(lines(text))
    assert "hunter2" not in told
    assert told.startswith("f:1:")


def test_a_mistake_names_the_variable_in_place_of_its_value(monkeypatch):
    monkeypatch.setenv("COUNT", "hunter2")
    assert lines("topics: {partitions: '${COUNT}'}") == [
        "f:1:22: topics.partitions: '${COUNT}' is no whole number"
    ]


def test_no_warning_tells_a_value_that_was_filled_in(monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    text = "models: [{name: '${SECRET}*'}, {name: '${SECRET}-x'}]"
    told = "\n".join(load("f", text=text).warnings)
    assert "never reached" in told
    assert "hunter2" not in told
