"""The command itself: help, exit codes, spelling, environment, missing extras."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from inferwatch import __version__
from inferwatch.cli import SUBCOMMANDS, ReportedError, Root, name_variables, root
from inferwatch.errors import ServiceUnreachableError


def run(*arguments, **options):
    return CliRunner().invoke(root, arguments, prog_name="inferwatch", **options)


@pytest.fixture
def group(monkeypatch):
    """A command line of our own kind; `group.commands["x"] = …` adds to it."""

    class InProcess(Root):
        def get_command(self, ctx, cmd_name):
            command = self.commands.get(cmd_name)
            if command is not None:
                name_variables(command)
            return command

        def list_commands(self, ctx):
            return list(self.commands)

    return InProcess("inferwatch")


def command_that_raises(error):
    def raises():
        raise error

    return click.Command("x", callback=raises)


def test_help_lists_the_subcommands_that_are_there():
    for flag in ("-h", "--help"):
        result = run(flag)
        assert result.exit_code == 0
        assert "config" in result.output
        assert "topics" in result.output


def test_a_subcommand_without_a_module_is_neither_listed_nor_run(monkeypatch):
    entry = SUBCOMMANDS["config"]._replace(module="no_such_module")
    monkeypatch.setitem(SUBCOMMANDS, "config", entry)

    assert "Check the config" not in run("--help").output
    assert run("config").exit_code == 2


def test_every_subcommand_that_is_there_answers_its_help():
    context = click.Context(root)
    for name in root.list_commands(context):
        # A command keeps the help option that it was first asked for, by whichever test.
        root.get_command(context, name)._help_option = None
        result = run(name, "-h")
        assert result.exit_code == 0, f"{name}: {result.output}"


def test_every_option_has_help_and_an_environment_variable_of_its_name():
    def options_of(command):
        children = command.commands.values() if isinstance(command, click.Group) else ()
        yield from (p for p in command.params if isinstance(p, click.Option))
        for child in children:
            yield from options_of(child)

    context = click.Context(root)
    for name in root.list_commands(context):
        for option in options_of(root.get_command(context, name)):
            variable = option.envvar
            longest = max(option.opts, key=len).removeprefix("--").replace("-", "_").upper()
            assert variable == f"INFERWATCH_{longest}", name
            assert option.help, f"{name} {option.opts}"


def test_the_version_is_told():
    assert run("--version").output == f"inferwatch, version {__version__}\n"


def test_a_misspelt_subcommand_is_answered_with_the_nearest():
    result = run("confg")
    assert result.exit_code == 2
    assert "Did you mean 'config'?" in result.output


def test_a_misspelt_option_is_answered_with_the_nearest():
    result = run("config", "check", "--confg", "x")
    assert result.exit_code == 2
    assert "Did you mean --config?" in result.output


def test_an_error_of_ours_is_its_own_line_and_exit_code(group):
    group.commands["x"] = command_that_raises(ServiceUnreachableError("Kafka: no answer"))
    result = CliRunner().invoke(group, ["x"])
    assert (result.exit_code, result.stderr, result.stdout) == (3, "Kafka: no answer\n", "")


@pytest.mark.parametrize(("name", "package"), [("worker", "pipeline"), ("notify", "consumers")])
def test_a_missing_extra_is_answered_with_what_to_install(group, name, package):
    group.commands[name] = command_that_raises(ModuleNotFoundError("No", name="numpy.linalg"))
    result = CliRunner().invoke(group, [name])
    assert result.exit_code == 2
    assert result.stderr == (
        f"inferwatch {name} needs the package numpy, which is not installed; "
        f"install it with: pip install 'inferwatch[{package}]'\n"
    )


def test_a_missing_module_of_ours_is_a_bug_and_shown_as_one(group):
    group.commands["worker"] = command_that_raises(ModuleNotFoundError("x", name="pipeline.gone"))
    result = CliRunner().invoke(group, ["worker"])
    assert isinstance(result.exception, ModuleNotFoundError)


def test_an_option_is_read_from_the_environment(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("zzz: 1")
    result = run("config", "check", env={"INFERWATCH_CONFIG": str(file)})
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{file}:1:1: zzz: unknown key")


def test_the_command_line_wins_over_the_environment(group):
    seen = []
    group.commands["x"] = click.Command(
        "x",
        callback=seen.append,
        params=[click.Option(["--model-version", "model_version"])],
    )
    group.commands["x"].callback = lambda model_version: seen.append(model_version)
    environment = {"INFERWATCH_MODEL_VERSION": "from the environment"}
    CliRunner().invoke(group, ["x"], env=environment)
    CliRunner().invoke(group, ["x", "--model-version", "7"], env=environment)
    assert seen == ["from the environment", "7"]


def test_help_names_the_environment_variable():
    assert "INFERWATCH_CONFIG" in run("config", "check", "--help").output


def test_reported_lines_go_to_a_given_file_unchanged(tmp_path):
    with (tmp_path / "f").open("w+") as file:
        ReportedError(ServiceUnreachableError("a\nb")).show(file)
        file.seek(0)
        assert file.read() == "a\nb\n"


def in_a_process(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numpy", "scipy", "redis", "faust", "pyarrow", "msgpack",
                                      "aiohttp", "httpx", "rich", "zstandard", "cramjam"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from inferwatch.cli import main
main(sys.argv[1:])
"""


def test_config_runs_with_the_base_install_only(tmp_path):
    file = tmp_path / "c.yaml"
    for part in ("example", "schema"):
        result = in_a_process(BLOCKED, "config", part)
        assert result.returncode == 0, result.stderr
        file.write_text(result.stdout)
    file.write_text(in_a_process(BLOCKED, "config", "example").stdout)
    result = in_a_process(BLOCKED, "config", "check", str(file))
    assert (result.returncode, result.stderr) == (0, "")


def test_help_imports_click_and_little_else():
    heavy = "{'pydantic', 'ruamel', 'kafka', 'numpy', 'redis', 'faust', 'orjson', 'asyncio'}"
    code = (
        "import sys\nfrom inferwatch.cli import root\n"
        "root(['--help'], standalone_mode=False)\n"
        f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    assert in_a_process(code).stderr == "[]\n"


def test_the_module_runs_like_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "inferwatch", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    assert result.stdout == f"inferwatch, version {__version__}\n"


def test_the_shell_completes_subcommands_and_options():
    def completed(words, count):
        environment = {
            "_INFERWATCH_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(count),
        }
        return run(env=environment).output.split()

    assert completed("inferwatch to", 1) == ["plain,top", "plain,topics"]
    assert "plain,--config" in completed("inferwatch topics check --c", 3)
