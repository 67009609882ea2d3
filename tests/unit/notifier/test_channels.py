"""The channels of a terminal and of a file."""

import io
import json

import pytest
from alert_story import BEGIN, alert_event

from consumers.notifier.channels.console import ConsoleChannel
from consumers.notifier.channels.file import FileChannel
from consumers.notifier.channels.interface import Retryable
from consumers.notifier.notification import Notification
from consumers.notifier.page import page_of, page_text
from consumers.notifier.reason import Reason
from consumers.notifier.transition import transition_from_json
from inferwatch.settings.notify.channels import ConsoleSettings, FileSettings

RICH = alert_event(
    "i1",
    summary="p99 latency of fraud rose to 300 ms",
    evidence=[{"text": "cpu went from 20 % to 98 %", "metric": "resources.cpu_percent"}],
    causes=[
        {"cause": "memory", "confidence": 0.2, "why": "some swapping"},
        {"cause": "load", "confidence": 0.75, "why": "twice the requests"},
    ],
    suggestions=[
        {"text": "Add a replica", "command": "kubectl scale deploy/fraud --replicas=4"},
        {"text": "Read the runbook", "command": None, "url": "https://runbook.example/slow"},
    ],
    runbook_url="https://runbook.example/",
    news="from a newer version",
)


def message(*events: dict) -> Notification:
    alerts = tuple(transition_from_json(json.dumps(e).encode()) for e in events)
    return Notification(
        id="msg_1", reason=Reason.FIRST, receiver="ops", group_key="{}:{}", group_labels={},
        alerts=alerts, at=BEGIN,
    )  # fmt: skip


async def printed(*events: dict) -> str:
    out = io.StringIO()
    channel = ConsoleChannel(ConsoleSettings(), out)
    await channel.send(message(*events), BEGIN)
    return out.getvalue()


async def test_the_console_shows_all_that_on_call_needs():
    text = await printed(RICH)
    wanted = [
        "PAGE firing: p99 latency of fraud rose to 300 ms",
        "fraud 7",
        "300, threshold 250, 100 rows",
        "cpu went from 20 % to 98 %",
        "load (75%): twice the requests",
        "memory (20%): some swapping",
        "$ kubectl scale deploy/fraud --replicas=4",
        "https://runbook.example/slow",
        "runbook: https://runbook.example/",
        "first notification",
    ]
    places = [text.find(w) for w in wanted]
    assert -1 not in places, wanted[places.index(-1)]
    assert text.find("load (75%)") < text.find("memory (20%)")


async def test_nothing_in_an_event_is_taken_for_markup_or_for_a_terminal_code():
    text = await printed(alert_event("i1", summary="[bold]x[/]\x1b[2J\rfeature\nname :smile:"))
    assert "[bold]x[/]" in text
    assert ":smile:" in text
    assert "\x1b" not in text
    assert "\r" not in text


@pytest.mark.parametrize(
    "oddity",
    [
        {"causes": None, "evidence": "none", "suggestions": [1, None], "window": None},
        {"causes": [{}], "evidence": [{}], "suggestions": [{}], "value": None},
        {"kind": "a kind of tomorrow", "metric": None, "completeness": 0.5, "rows": None},
    ],
)
async def test_an_event_of_another_version_is_shown_as_far_as_it_goes(oddity):
    assert "i1 is slow" in await printed(alert_event("i1", **oddity))


def test_the_page_as_plain_text():
    page = page_of(message(RICH).alerts[0])
    lines = page_text(page).splitlines()
    assert lines[0] == "PAGE firing: p99 latency of fraud rose to 300 ms"
    assert "Probable causes" in lines
    assert "  $ kubectl scale deploy/fraud --replicas=4" in lines


async def test_a_file_gets_a_line_an_alert(tmp_path):
    path = tmp_path / "alerts.jsonl"
    channel = FileChannel(FileSettings(path=str(path)))
    await channel.send(message(RICH, alert_event("i0", "resolved")), BEGIN + 7)
    await channel.send(message(alert_event("i2")), BEGIN + 8)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(x["incident"], x["status"]) for x in lines] == [
        ("i1", "firing"), ("i0", "resolved"), ("i2", "firing"),
    ]  # fmt: skip
    first = lines[0]
    assert first["alert"] == RICH
    assert first["at"] == BEGIN + 7
    assert first["receiver"] == "ops"
    assert (first["attempt"], first["ok"]) == (1, True)
    assert first["detail"] == "first notification"
    assert first["fingerprint"] == RICH["fingerprint"]


async def test_a_torn_line_does_not_swallow_the_next_one(tmp_path):
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(b'{"torn":')
    await FileChannel(FileSettings(path=str(path))).send(message(RICH), BEGIN)
    torn, whole = path.read_text().splitlines()
    assert torn == '{"torn":'
    assert json.loads(whole)["incident"] == "i1"


async def test_a_file_that_cannot_be_written_is_tried_again(tmp_path):
    channel = FileChannel(FileSettings(path=str(tmp_path / "no" / "such" / "folder.jsonl")))
    with pytest.raises(Retryable, match="No such file or directory"):
        await channel.send(message(RICH), BEGIN)
