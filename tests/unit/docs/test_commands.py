"""Every command that a page, or an alert, tells its reader to type is one that is understood."""

import ast
import re
import shlex
from dataclasses import replace

import click
import pytest
from made_windows import window_of
from pages import PAGES, REPOSITORY, command_lines, name_of, spans

from inferwatch.cli import root
from inferwatch.events.alert import AlertKind, Suggestion
from pipeline.diagnosis import commands
from pipeline.diagnosis.view import Diagnosis, View

CAUSES = REPOSITORY / "pipeline" / "diagnosis" / "causes"
GOLDEN = REPOSITORY / "tests" / "golden" / "alerts"
TARGETS = set(re.findall(r"^([a-z]+):.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def understand(line: str, *, whole: bool) -> None:
    """Fail where a command line names what is not there; `whole`: or leaves out what must be."""
    words = shlex.split(line, comments=True)
    # With the group's own settings: a command keeps the help option that it is first asked for.
    context = click.Context(root, info_name=words.pop(0), **root.context_settings)
    command: click.Command = root
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"{line}: no subcommand {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    given, rest, _ = command.make_parser(context).parse_args(words)
    assert rest == [], f"{line}: too much: {rest}"
    if whole:
        assert not isinstance(command, click.Group) or given.get("help"), f"{line}: no subcommand"
        needed = [p.name for p in command.params if p.required]
        # An absent value is a sentinel of click's own.
        missing = [n for n in needed if not isinstance(given.get(n), str | tuple | list)]
        assert missing == [], f"{line}: {missing} missing"


def typed(page):
    return [(name_of(page), line) for line in command_lines(page)]


@pytest.mark.parametrize(("page", "line"), [pair for page in PAGES for pair in typed(page)])
def test_a_command_of_a_page_is_understood(page, line):
    if line.startswith("make "):
        target = shlex.split(line, comments=True)[1]
        assert target in TARGETS, f"{page}: no target {target}"
    else:
        understand(line, whole=True)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_in_a_sentence_is_understood(page):
    for span in spans(page):
        if re.fullmatch(r"inferwatch [a-z].*", span):
            understand(span, whole=False)
        if re.fullmatch(r"make [a-z]+.*", span):
            assert span.split()[1] in TARGETS, span


AWKWARD = View(
    kind=AlertKind.QUALITY,
    result=replace(window_of(0), model="fraud; rm -rf $HOME", version="7 'b'"),
    starts_at=0,
)


def test_every_cause_suggests_commands_of_one_file():
    for path in sorted(CAUSES.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "command":
                name = node.value.func if isinstance(node.value, ast.Call) else node.value
                assert isinstance(name, ast.Name) and hasattr(commands, name.id), path.stem


@pytest.mark.parametrize("file", [None, "-", "my 'watch'.yaml"])
@pytest.mark.parametrize(
    "command",
    [commands.STATUS, commands.show_reference(AWKWARD), commands.build_reference(AWKWARD)],
)
def test_a_suggested_command_is_understood(command, file):
    told = commands.with_config(Diagnosis((), (), (Suggestion(text="", command=command),)), file)
    line = told.suggestions[0].command
    understand(line, whole=True)
    assert ("-c" in shlex.split(line)) is (file is not None)


def test_the_commands_of_the_golden_alerts_are_understood():
    lines = {
        line.strip().removeprefix("$ ")
        for path in GOLDEN.glob("*.txt")
        for line in path.read_text().splitlines()
        if line.strip().startswith("$ ")
    }
    assert lines
    for line in lines:
        understand(line, whole=True)


@pytest.mark.parametrize(
    "line",
    [
        "inferwatch frobnicate",
        "inferwatch reference bild",
        "inferwatch worker --confg FILE",
        "inferwatch reference publish",
        "inferwatch worker FILE",
        "inferwatch labels",
    ],
)
def test_what_is_not_there_is_found(line):
    with pytest.raises((AssertionError, click.UsageError)):
        understand(line, whole=True)
