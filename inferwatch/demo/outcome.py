"""What came of the demo: which incidents fired, were explained, delivered, resolved."""

from __future__ import annotations

import threading
import time
from typing import Any

from inferwatch.demo.observer import Observer

EXPECTED_RULE = "accuracy-low"
EXPECTED_CAUSE = "unit_change"


class Outcome:
    """Collects deliveries; safe to call from any thread."""

    def __init__(self) -> None:
        """The clock of the demo starts now."""
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._delivered: dict[tuple[str, str], int] = {}
        self._rules: dict[str, str] = {}

    def delivered(self, event: dict[str, Any]) -> None:
        """A notification of this alert event has arrived at the phone."""
        with self._lock:
            key = (event["incident"], event["status"])
            self._delivered.setdefault(key, time.time_ns() // 1_000_000)
            self._rules[event["incident"]] = event["rule"]

    def pages(self, status: str) -> int:
        """How many incidents of the expected rule were delivered with this status."""
        with self._lock:
            return sum(
                self._rules[incident] == EXPECTED_RULE and seen == status
                for incident, seen in self._delivered
            )

    def resolved_share(self, observer: Observer) -> float:
        """The share of the incidents whose resolution was published, seen and delivered."""
        with self._lock:
            told = {incident for incident, status in self._delivered if status != "firing"}
        ended = [i.id for i in observer.seen() if i.resolved is not None and i.id in told]
        return len(ended) / max(1, len(observer.seen()))

    def summary(self, observer: Observer, *, broker: str, redis: str) -> dict[str, Any]:
        """The content of summary.json."""
        with self._lock:
            delivered = dict(self._delivered)
        incidents = [
            {
                "incident": incident.id,
                "kind": incident.kind,
                "cause": incident.cause,
                "fired_at": incident.published_at.get("firing"),
                "delivered_at": delivered.get((incident.id, "firing")),
                "resolved_at": incident.published_at.get("resolved"),
            }
            for incident in observer.seen()
        ]
        expected = {i.id for i in observer.seen() if i.rule == EXPECTED_RULE}
        ok = any(
            i["incident"] in expected
            and i["cause"] == EXPECTED_CAUSE
            and i["delivered_at"] is not None
            and (i["incident"], "resolved") in delivered
            for i in incidents
        )
        return {
            "seconds": round(time.monotonic() - self._began, 3),
            "rows": observer.rows(),
            "windows": observer.count(),
            "incidents": incidents,
            "broker": broker,
            "redis": redis,
            "ok": ok,
        }
