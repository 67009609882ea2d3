"""Log lines for people and for collectors."""

import io
import json
import logging
import re

import pytest

from inferwatch import logs
from inferwatch.commands.options import read_settings


@pytest.fixture(autouse=True)
def restored():
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def logged(format, say):
    stream = io.StringIO()
    logs.setup(format, "worker", stream)
    say(logging.getLogger("pipeline.engine"))
    return stream.getvalue()


def test_text_has_time_level_and_part():
    line = logged("text", lambda log: log.warning("lag is %d", 7))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING worker: lag is 7\n", line)


def test_json_is_one_object_a_line():
    line = json.loads(logged("json", lambda log: log.info("naïve %s", "text\nof two lines")))
    assert line.pop("at") > 1_700_000_000_000
    assert line == {
        "level": "info",
        "part": "worker",
        "logger": "pipeline.engine",
        "message": "naïve text\nof two lines",
    }


@pytest.mark.parametrize("format", ["text", "json"])
def test_an_exception_is_told_with_its_traceback(format):
    def say(log):
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("failed")

    text = logged(format, say)
    assert "ValueError: broken" in text
    assert (len(text.splitlines()) == 1) == (format == "json")


def test_details_of_libraries_are_left_out():
    assert logged("text", lambda log: logging.getLogger("kafka.conn").info("x")) == ""
    assert logged("text", lambda log: log.debug("x")) == ""


def test_a_second_setup_replaces_the_first():
    first = io.StringIO()
    logs.setup("text", "a", first)
    assert logged("text", lambda log: log.info("x")) != ""
    assert first.getvalue() == ""


def test_a_command_logs_what_is_surprising_in_its_config(tmp_path, caplog):
    file = tmp_path / "c.yaml"
    file.write_text("retention: {history: 1h}\ndefaults: {windows: [2h]}")
    read_settings(str(file))
    assert caplog.messages == [
        f"{file}:1:22: retention.history: warning: shorter than the longest window, so that the "
        "dashboard shows no two of them"
    ]
