"""`inferwatch replay` from the command line."""

import json
import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from replay_events import START, row

from inferwatch.cli import root

CONFIG = """
defaults: {windows: [1m], lateness: 10s, reference: {learn: "off"}}
rules: [{name: slow, metric: latency.p95_ms, when: "> 100", severity: page}]
"""


pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Ten minutes with slow answers in the middle, in two files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    rows = [row(n * 5, model="<shop>") for n in range(120)]
    slow = [{**r, "latency_ms": 500 if 4 <= n // 12 < 6 else 10} for n, r in enumerate(rows)]
    for name, events in (("a", rows[:60]), ("b", rows[60:]), ("l", slow)):
        lines = "".join(json.dumps(event) + "\n" for event in events)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    (tmp_path / "known.csv").write_text(
        f"model,start,end,name\n<shop>,{START + 240_000},{START + 360_000},slow <disk>\n"
    )
    return tmp_path


def run(*args):
    return CliRunner().invoke(root, ["replay", "--config", "c.yaml", *args], prog_name="inferwatch")


def test_json_says_exactly_what_the_contract_says(folder):
    done = run("--predictions", "a.jsonl", "b.jsonl", "--latencies", "l.jsonl", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "rows": 120, "windows": 10, "deadletter": {}, "too_late": 0, "duplicates": 0, "lost": 0,
        "pages": 1, "tickets": 0, "incidents": 1,
    }  # fmt: skip
    again = run(
        "--predictions", "b.jsonl", "--predictions", "a.jsonl", "--latencies", "l.jsonl", "--json"
    )
    assert again.stdout == done.stdout, "the files are merged by time"


def test_the_tables_on_a_terminal(folder):
    done = run(
        "--predictions", "a.jsonl", "b.jsonl", "--latencies", "l.jsonl", "--incidents", "known.csv"
    )
    assert "120 rows in 10 windows; 1 pages and 0 tickets." in done.stdout
    assert "<shop>" in done.stdout
    assert re.search(r"slow <disk>.*1 min", done.stdout)


def test_files_of_windows_and_alerts(folder):
    run(
        "--predictions", "a.jsonl", "b.jsonl", "--latencies", "l.jsonl",
        "--windows", "w.jsonl", "--alerts", "al.jsonl",
    )  # fmt: skip
    windows = [json.loads(line) for line in (folder / "w.jsonl").read_text().splitlines()]
    assert [w["start"] for w in windows] == [START + n * 60_000 for n in range(10)]
    alerts = [json.loads(line) for line in (folder / "al.jsonl").read_text().splitlines()]
    assert [alert["status"] for alert in alerts] == ["firing", "resolved"]


class Page(HTMLParser):
    """What stands in a page, and what it would load."""

    def __init__(self):
        super().__init__()
        self.tags, self.loads, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_report_is_one_file_that_loads_nothing(folder):
    run(
        "--predictions", "a.jsonl", "b.jsonl", "--latencies", "l.jsonl",
        "--incidents", "known.csv", "--report", "r.html",
    )  # fmt: skip
    page = Page()
    text = (folder / "r.html").read_text()
    page.feed(text)
    assert page.loads == []
    assert "http" not in text.replace("</html>", "")
    assert page.tags.count("svg") == 3
    assert "<shop>" in page.text
    assert "slow <disk>" in page.text
    assert 'class="page"' in text
    assert 'class="known"' in text


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--predictions", "absent.jsonl"], "absent.jsonl: there is no such file"),
        (["--predictions", "a.jsonl", "--windows", "no/w.jsonl"], "no/w.jsonl: it cannot be"),
        (["--predictions", "a.jsonl", "--reference", "c.yaml"], "c.yaml: the extension names"),
        ([], "--predictions"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(folder, args, said):
    done = run(*args)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output
