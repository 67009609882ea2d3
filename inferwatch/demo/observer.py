"""Watches the demo's topics from outside, as any consumer could: windows, alerts."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from inferwatch import topics
from inferwatch.broker import kafka_options
from inferwatch.demo.model import NAME
from inferwatch.settings import Settings


@dataclass(slots=True)
class Incident:
    """One incident as the topic told it; `published_at` by status, by Kafka's timestamps."""

    id: str
    rule: str
    kind: str
    severity: str
    cause: str | None = None
    fired: dict[str, Any] | None = None
    resolved: dict[str, Any] | None = None
    published_at: dict[str, int] = field(default_factory=dict)


class Observer:
    """Collects window results (the highest revision of each) and alert transitions."""

    def __init__(self, settings: Settings) -> None:
        """Watch the topics of these settings; `start` begins."""
        self._settings = settings
        self._prefix = settings.topics.prefix
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._windows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._alerts: list[dict[str, Any]] = []
        self._incidents: dict[str, Incident] = {}

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the reading."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=3)

    def windows(self, segment: str | None = None) -> list[dict[str, Any]]:
        """The model's windows by start, each at its highest revision."""
        with self._lock:
            found = [w for w in self._windows.values() if w["segment"] == segment]
        return sorted(found, key=lambda window: int(window["start"]))

    def judged(self) -> int:
        """How many windows have nearly all their labels."""
        return self.judged_after(0)

    def judged_after(self, end: int) -> int:
        """How many windows that begin after this time have nearly all their labels."""
        return sum(
            window["start"] >= end
            and ((window.get("quality") or {}).get("label_coverage") or 0) >= 0.95
            for window in self.windows()
        )

    def seen(self) -> list[Incident]:
        """The incidents so far, in the order of their coming."""
        with self._lock:
            return list(self._incidents.values())

    def count(self) -> int:
        """All windows, of segments too."""
        with self._lock:
            return len(self._windows)

    def rows(self) -> int:
        """The prediction rows counted so far."""
        return sum(int(window["rows"]) for window in self.windows())

    def write(self, folder: Path) -> None:
        """Write `windows.jsonl` and `alerts.jsonl`."""
        with self._lock:
            ordered = sorted(self._windows.values(), key=lambda w: (w["start"], w["segment"] or ""))
            _write_lines(folder / "windows.jsonl", ordered)
            _write_lines(folder / "alerts.jsonl", self._alerts)

    def _run(self) -> None:
        names = {
            topics.WINDOWS.full_name(self._prefix): self._take_window,
            topics.ALERTS.full_name(self._prefix): self._take_alert,
        }
        consumer = KafkaConsumer(
            *names,
            **kafka_options(self._settings.broker),
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=1_000,
        )
        try:
            while not self._stop.is_set():
                try:
                    polled = consumer.poll(timeout_ms=200)
                except KafkaError:
                    time.sleep(0.2)
                    continue
                for records in polled.values():
                    for record in records:
                        if record.value is not None:
                            names[record.topic](orjson.loads(record.value), record.timestamp)
        finally:
            consumer.close()

    def _take_window(self, window: dict[str, Any], at: int) -> None:
        if window["model"] != NAME:
            return
        key = (window["version"], window["segment"], window["window"], window["start"])
        with self._lock:
            known = self._windows.get(key)
            if known is None or window["revision"] >= known["revision"]:
                self._windows[key] = window

    def _take_alert(self, alert: dict[str, Any], at: int) -> None:
        with self._lock:
            self._alerts.append(alert)
            incident = self._incidents.setdefault(
                alert["incident"],
                Incident(alert["incident"], alert["rule"], alert["kind"], alert["severity"]),
            )
            incident.published_at.setdefault(alert["status"], at)
            if alert["status"] == "firing":
                incident.fired = alert
                incident.cause = alert["causes"][0]["cause"] if alert["causes"] else None
            else:
                incident.resolved = alert


def _write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
