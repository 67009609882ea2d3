"""The producer's own counters, and their Prometheus text."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

Labels = tuple[tuple[str, str], ...]

SIDECAR = "inferwatch_sidecar_"
BRIDGE = "inferwatch_bridge_"
SDK = "inferwatch_sdk_"

_HELP = {
    "requests_total": "Requests that passed, by status class.",
    "connections_total": "Client connections.",
    "connections_open": "Client connections that are open now.",
    "untapped_connections_total": "Connections whose bytes pass without being read, by reason.",
    "bytes_total": "Bytes that passed, by direction.",
    "exchanges_total": "Exchanges that were read, by protocol.",
    "tap_errors_total": "Failures while reading a copy; the traffic was not touched.",
    "halves_total": "Events of loggers, by what they are and what became of them.",
    "halves_waiting": "Logged requests and answers that wait for their other half.",
    "config_reloads_total": "Times the config was read again, by what became of it.",
    "cloud_events_ignored_total": "CloudEvents that are no logger's.",
    "payloads_dropped_total": "Exchanges that gave no prediction, by reason.",
    "rows_published_total": "Rows that the broker has taken, by topic.",
    "rows_dropped_total": "Rows that never reached the broker, by topic and reason.",
    "rows_sampled_out_total": "Prediction rows that the sample left out.",
    "batches_resent_total": "Batches that had to be sent again.",
    "queue_bytes": "Bytes that wait in memory.",
    "queue_limit_bytes": "Bytes that may wait in memory.",
    "spool_bytes": "Bytes of the spool's files.",
    "spool_limit_bytes": "Bytes that the spool's files may take.",
    "spool_rows": "Rows that the spool holds and that were not sent yet.",
    "spool_rows_written_total": "Rows that were written to the spool, by topic.",
    "spool_cut_bytes_total": "Torn ends that were cut off files of dead processes.",
    "spool_errors_total": "Failures of the spool's disk, by error.",
    "records_read_total": "Records that were read, by topic.",
    "records_rejected_total": "Records that became dead letters, by topic and reason.",
    "records_behind": "Records of its partitions that it has not republished yet.",
    "kafka_up": "Whether the broker took the last batch.",
    "kafka_errors_total": "Failures to reach the broker or to deliver a batch.",
}


class Count:
    """One counter of one thread, for places where every microsecond counts."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        """Begin at zero."""
        self.value = 0


class Counters:
    """Counters and gauges by name and labels; any thread may add.

    >>> counters = Counters()
    >>> counters.add("requests_total", status="2xx")
    >>> counters.add("requests_total", 2, status="2xx")
    >>> counters.get("requests_total", status="2xx")
    3
    """

    def __init__(self, prefix: str = SIDECAR) -> None:
        """Begin at zero; `prefix` stands before every name in the text."""
        self._prefix = prefix
        self._counts: dict[tuple[str, Labels], Count] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._lock = Lock()

    def count(self, name: str, /, **labels: str) -> Count:
        """The counter itself; only one thread may add to it from then on."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            return self._counts.setdefault(key, Count())

    def add(self, name: str, by: int = 1, /, **labels: str) -> None:
        """Count `by` more, from any thread."""
        count = self.count(name, **labels)
        with self._lock:
            count.value += by

    def get(self, name: str, /, **labels: str) -> int:
        """One count, 0 before the first `add`."""
        found = self._counts.get((name, tuple(sorted(labels.items()))))
        return 0 if found is None else found.value

    def total(self, name: str, /) -> int:
        """The sum of a counter over all its labels."""
        with self._lock:
            return sum(c.value for (which, _), c in self._counts.items() if which == name)

    def gauge(self, name: str, read: Callable[[], float], /) -> None:
        """Have `read` called whenever the text is asked for."""
        self._gauges[name] = read

    def prometheus(self) -> str:
        """All of it in the Prometheus text format 0.0.4."""
        with self._lock:
            counts = sorted((key, count.value) for key, count in self._counts.items())
        series: dict[str, list[str]] = {}
        for (name, labels), count in counts:
            text = ",".join(f'{k}="{_escape(v)}"' for k, v in labels)
            series.setdefault(name, []).append(f"{{{text}}} {count}" if text else f" {count}")
        for name, read in self._gauges.items():
            series.setdefault(name, []).append(f" {read():.15g}")
        lines = []
        for name, samples in sorted(series.items()):
            kind = "counter" if name.endswith("_total") else "gauge"
            lines.append(f"# HELP {self._prefix}{name} {_HELP.get(name, name)}")
            lines.append(f"# TYPE {self._prefix}{name} {kind}")
            lines.extend(f"{self._prefix}{name}{sample}" for sample in samples)
        return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
