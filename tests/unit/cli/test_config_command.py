"""`inferwatch config`: what goes to which stream, and the exit code."""

import json

import pytest
from click.testing import CliRunner

from inferwatch.cli import root


def run(*arguments, **options):
    return CliRunner().invoke(root, ["config", *arguments], **options)


@pytest.fixture
def config(tmp_path):
    def write(text):
        file = tmp_path / "inferwatch.yaml"
        file.write_text(text)
        return str(file)

    return write


def test_a_right_config_is_answered_with_silence(config):
    file = config("topics: {partitions: 8}")
    for arguments in (["check", file], ["check", "-c", file], ["check", file, "-c", file]):
        result = run(*arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_mistakes_are_lines_on_standard_error_and_nothing_else(config):
    file = config("topics: {partitions: x}\nzzz: 1\n")
    result = run("check", file)
    assert result.exit_code == 2
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    assert first == f"{file}:1:22: topics.partitions: 'x' is no whole number"
    assert second.startswith(f"{file}:2:1: zzz: unknown key; allowed are ")


def test_warnings_are_lines_on_standard_output(config):
    file = config("retention: {history: 1h}\ndefaults: {windows: [2h]}")
    result = run("check", file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{file}:1:22: retention.history: warning: shorter than the longest window, so that the "
        "dashboard shows no two of them\n"
    )


def test_a_dash_reads_standard_input():
    result = run("check", "-", input="zzz: 1")
    assert result.exit_code == 2
    assert result.stderr.startswith("-:1:1: zzz: unknown key")
    assert run("check", "-c", "-", input="topics: {partitions: 8}").exit_code == 0


def test_an_absent_file_is_one_line_and_no_usage_block():
    result = run("check", "no-such-file.yaml")
    assert result.exit_code == 2
    assert result.stderr == (
        "no-such-file.yaml:1:1: config: cannot be read: No such file or directory; "
        "allowed is a file, or - for standard input\n"
    )


def test_without_a_config_it_says_how_to_name_one():
    result = run("check")
    assert result.exit_code == 2
    assert "inferwatch config check FILE" in result.stderr


def test_two_configs_at_once_are_refused(config):
    result = run("check", config(""), "-c", "other.yaml")
    assert result.exit_code == 2
    assert "check one at a time" in result.stderr


def test_a_file_wins_over_the_environment(config):
    result = run("check", config(""), env={"INFERWATCH_CONFIG": "other.yaml"})
    assert result.exit_code == 0


def test_the_schema_and_the_example_are_printed():
    assert json.loads(run("schema").stdout)["title"] == "Settings"
    example = run("example").stdout
    assert run("check", "-", input=example).output == ""


def test_the_topics_of_a_mock_cluster_are_not_ours_to_make():
    for part in ("create", "check"):
        text = "broker: {url: 127.0.0.1:1, api_version: 2.3}"
        result = CliRunner().invoke(root, ["topics", part, "-c", "-"], input=text)
        assert result.exit_code == 2
        assert "makes each topic itself" in result.stderr
