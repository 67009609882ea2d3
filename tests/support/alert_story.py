"""Timelines for the notifier: alerts pushed at set times, messages wanted between set times.

The clock is set, never slept; times are seconds from the story's begin.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from consumers.notifier.channels.build import BoundChannel
from consumers.notifier.channels.interface import Permanent, Retryable, Sent
from consumers.notifier.intake import Intake, Record
from consumers.notifier.journal.entry import Entry, remembered
from consumers.notifier.notification import Notification, Posted
from consumers.notifier.sender import Sender
from consumers.notifier.stages.route import build_tree
from consumers.notifier.store.memory import MemoryStore
from inferwatch.settings.notify import NotifySettings

BEGIN = 1_764_000_000_000


def alert_event(incident: str, status: str = "firing", *, at: int = BEGIN, **more) -> dict:
    """An alert event; keywords beginning with `label_` are labels."""
    labels = {"alertname": "slow", "model": "fraud", "version": "7", "severity": "page"}
    labels |= {k.removeprefix("label_"): v for k, v in more.items() if k.startswith("label_")}
    event = {
        "schema": "inferwatch.alert/1",
        "fingerprint": hashlib.sha256(incident.encode()).hexdigest()[:16],
        "incident": incident,
        "status": status,
        "severity": labels["severity"],
        "starts_at": at,
        "ends_at": None if status == "firing" else at + 1,
        "updated_at": at,
        "rule": labels["alertname"],
        "kind": "latency",
        "model": labels["model"],
        "version": labels["version"],
        "segment": None,
        "window": {"window": "1m", "start": at - 60_000, "end": at, "revision": 0},
        "metric": "latency.p99_ms",
        "value": 300.0,
        "baseline": None,
        "threshold": 250.0,
        "rows": 100,
        "completeness": 1.0,
        "labels": labels,
        "summary": f"{incident} is slow",
        "evidence": [],
        "causes": [],
        "suggestions": [],
        "runbook_url": None,
        "dashboard_url": None,
    }
    return event | {k: v for k, v in more.items() if not k.startswith("label_")}


@dataclass
class SetClock:
    """A clock that stands until it is set."""

    ms: int = BEGIN

    def now(self) -> int:
        return self.ms


@dataclass
class Said:
    """One try of one channel."""

    at: float
    receiver: str
    message: Notification
    ok: bool

    @property
    def told(self) -> list[str]:
        return [f"{a.incident} {a.status}" for a in self.message.alerts]


@dataclass
class ScriptedChannel:
    """A channel that remembers what it was given, and fails as it is told to."""

    clock: SetClock
    said: list[Said]
    fails: Callable[[float], Exception | None] = lambda at: None
    posts: bool = False

    async def send(self, message: Notification, now: int) -> Sent:
        at = (self.clock.now() - BEGIN) / 1000
        failure = self.fails(at)
        self.said.append(Said(at, message.receiver, message, failure is None))
        if failure is not None:
            raise failure
        posted = (message.follows or Posted("#", str(len(self.said)))) if self.posts else None
        return Sent("taken", posted)

    async def close(self) -> None:
        pass


@dataclass
class Story:
    """A notifier under a set clock, with every receiver scripted."""

    notify: dict
    store: MemoryStore = field(default_factory=MemoryStore)
    # Whether the receivers say where they posted.
    posts: bool = False

    def __post_init__(self) -> None:
        self.clock = SetClock()
        self.said: list[Said] = []
        self.fails: dict[str, Callable[[float], Exception | None]] = {}
        self._pushes: list[tuple[float, dict, float | None]] = []
        self._offset = 0
        self.journal: dict[str, bytes] = {}

    def at(self, seconds: float) -> "_Moment":
        return _Moment(self, seconds)

    def down(self, receiver: str, until: float, *, retry_after_s: float | None = None) -> None:
        """The receiver refuses for now, until a time."""
        wait = None if retry_after_s is None else int(retry_after_s * 1000)
        self.fails[receiver] = lambda at: Retryable("HTTP 503", wait) if at < until else None

    def refusing(self, receiver: str, until: float) -> None:
        """The receiver refuses for good, until a time."""
        self.fails[receiver] = lambda at: Permanent("HTTP 400") if at < until else None

    def tell(self, until: float) -> "Story":
        """Let the time go on."""
        asyncio.run(self._tell(until))
        return self

    async def _tell(self, until: float) -> None:
        settings = NotifySettings.model_validate(self.notify)
        tree = build_tree(settings)
        channels = {}
        for receiver in settings.used_receivers().values():
            for kind, index, channel_settings in receiver.channels():
                fails = self.fails.get(receiver.name, lambda at: None)
                channel = ScriptedChannel(self.clock, self.said, fails, self.posts)
                channels[(receiver.name, kind, index)] = BoundChannel(channel, channel_settings)
        await self.store.make_whole()
        intake = Intake(self.store, settings, tree)
        sender = Sender(
            self.store, settings, tree, channels, self.clock, _no_log, self._journal_note
        )
        pushes = sorted((p for p in self._pushes if p[0] <= until), key=lambda p: p[0])
        self._pushes = [p for p in self._pushes if p[0] > until]
        end = BEGIN + int(until * 1000)
        for _ in range(10_000):
            due = await self.store.next_due()
            times = [t for t in (due, BEGIN + int(pushes[0][0] * 1000) if pushes else None) if t]
            if not times or min(times) > end:
                break
            self.clock.ms = max(self.clock.ms, min(times))
            now = pushes[0][0] if pushes else None
            records = []
            while pushes and now is not None and BEGIN + int(pushes[0][0] * 1000) <= self.clock.ms:
                records.append(self._record(*pushes.pop(0)))
            await intake.take(records, self.clock.ms)
            while await sender.sweep():
                await sender.settle()
        else:
            raise AssertionError("the story does not end")
        self.clock.ms = end

    def _journal_note(self, entry: Entry) -> None:
        self.journal.pop(entry.key, None)
        if entry.value is not None:
            self.journal[entry.key] = entry.value

    def after_a_flush(self) -> "Story":
        """The story as it goes on with an empty store, and what the journal remembers."""
        on = Story(self.notify)
        on.clock.ms = self.clock.ms
        asyncio.run(on.store.restore(remembered(self.journal, on.clock.ms), on.clock.ms))
        return on

    def _record(self, at: float, event: dict, recorded: float | None) -> Record:
        self._offset += 1
        stamp = BEGIN + int((at if recorded is None else recorded) * 1000)
        return Record(0, self._offset, stamp, json.dumps(event).encode())

    def want(self, *expected: tuple[float, str, list[str]]) -> "Story":
        """All successful messages: time, receiver, what was told."""
        found = [(s.at, s.receiver, s.told) for s in self.said if s.ok]
        assert found == list(expected)
        return self


@dataclass
class _Moment:
    story: Story
    seconds: float

    def push(self, incident: str, status: str = "firing", *, recorded=None, **more) -> "_Moment":
        at = BEGIN + int(self.seconds * 1000)
        event = alert_event(incident, status, at=at, **more)
        self.story._pushes.append((self.seconds, event, recorded))
        return self


async def _no_log(message: Notification, attempt: int, ok: bool, detail: str) -> None:
    pass
