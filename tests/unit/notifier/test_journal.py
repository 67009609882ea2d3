"""The journal: what it says at a time, and how it gets into its topic."""

import asyncio
import threading

import pytest
from alert_story import BEGIN

from consumers.notifier.acknowledgement import Acknowledgement
from consumers.notifier.journal import writer as writers
from consumers.notifier.journal.entry import (
    ACKNOWLEDGED_MS,
    Entry,
    acknowledgement_entry,
    remembered,
    silence_entry,
)
from consumers.notifier.journal.writer import JournalWriter
from consumers.notifier.stages.silence import Silence
from inferwatch.errors import ServiceUnreachableError, StateFormatError
from inferwatch.settings.notify.matchers import parse_matchers

SILENCE = Silence(
    id="s",
    matchers=parse_matchers('model=~"fr.*"'),
    starts_at=BEGIN,
    ends_at=BEGIN + 10,
    created_by="änn",
    comment="",
)
TAKEN = Acknowledgement(incident="i/1", at=BEGIN, by="ann", comment="on it")


def written(*entries: Entry) -> dict[str, bytes]:
    return {e.key: e.value for e in entries if e.value is not None}


def test_what_is_written_is_remembered_and_values_begin_with_a_format():
    entries = written(silence_entry(SILENCE), acknowledgement_entry(TAKEN))
    assert all(value.startswith(b"1 {") for value in entries.values())
    found = remembered(entries, BEGIN)
    assert found.silences == (SILENCE,)
    assert found.acknowledgements == (TAKEN,)
    assert found.forgettable == ()


def test_what_is_over_may_be_forgotten():
    entries = written(silence_entry(SILENCE), acknowledgement_entry(TAKEN))
    assert remembered(entries, BEGIN + 10).forgettable == ("silence/s",)
    later = remembered(entries, BEGIN + ACKNOWLEDGED_MS)
    assert later.forgettable == ("silence/s", "acknowledgement/i/1")


def test_other_parts_keep_their_own_there():
    assert remembered({"topics/partitions": b"\x01{}", "odd": b""}, BEGIN) == remembered({}, BEGIN)


@pytest.mark.parametrize("value", [b"2 {}", b"", b"\x01{}"])
def test_a_newer_format_is_refused(value):
    with pytest.raises(StateFormatError, match=r"silence/s of monitoring\.state .* up to 1"):
        remembered({"silence/s": value}, BEGIN)


class Broker:
    """A topic that is away for the first writes."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.holds: dict[str, bytes | None] = {}
        self.open = threading.Event()
        self.open.set()

    def write(self, entries) -> None:
        assert self.open.wait(10)
        if self.away:
            self.away -= 1
            raise ServiceUnreachableError("Kafka: away")
        self.holds |= entries


async def test_entries_are_written_when_the_broker_is_back_and_the_latest_counts(monkeypatch):
    monkeypatch.setattr(writers, "FIRST_BACKOFF_S", 0.001)
    broker = Broker(away=2)
    broker.open.clear()
    journal = JournalWriter(broker.write)
    running = asyncio.create_task(journal.run())
    journal.note(Entry("a", b"1"))
    await asyncio.sleep(0)
    journal.note(Entry("a", b"2"))
    journal.note(Entry("b", None))
    broker.open.set()
    await journal.settle(10)
    assert broker.holds == {"a": b"2", "b": None}
    running.cancel()


async def test_a_broker_that_hangs_holds_up_nothing():
    broker = Broker()
    broker.open.clear()
    journal = JournalWriter(broker.write)
    running = asyncio.create_task(journal.run())
    journal.note(Entry("a", b"1"))
    await journal.settle(0.01)
    assert broker.holds == {}
    running.cancel()
    broker.open.set()
