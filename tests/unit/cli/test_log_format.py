"""Every command that reads a config can log in text or JSON."""

import json
import logging

import click
import pytest
from click.testing import CliRunner

from inferwatch.cli import root

CONFIG = """
defaults: {reference: {learn: 1h}}
notify: {route: {receiver: a}, receivers: [{name: a}, {name: unreached}]}
"""


def leaves(command, path=()):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*path, name))
    else:
        yield " ".join(path), command


@pytest.fixture
def logging_as_before():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_a_command_that_takes_a_config_takes_a_log_format():
    options = {name: {p.name for p in command.params} for name, command in leaves(root)}
    reading = {name for name, names in options.items() if "config" in names}
    assert {"status", "reference build", "routes test", "worker"} <= reading
    assert {name for name in reading if "log_format" not in options[name]} == set()


@pytest.mark.usefixtures("logging_as_before")
def test_a_warning_is_logged_as_json(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    said = CliRunner().invoke(
        root, ["routes", "test", "-c", str(path), "--json", "--log-format", "json"]
    )
    assert said.exit_code == 0
    assert json.loads(said.stdout) == {"receivers": ["a"]}
    lines = [json.loads(line) for line in said.stderr.splitlines()]
    assert any("unreached" in line["message"] for line in lines)
