"""Which faults do the built-in detectors find, how soon, and do they say what it is?

    python -m benchmarks.fault_table [--seeds 10] [--days 30] [--only NAME]

Every fault of `_detection_faults.py` is injected into simulated streams (600 requests a minute, 8
features, labels half a minute later), replayed by the worker's own core with no rules and the
default budget. A row tells in how many of the seeds the first alert came at all, after how many
windows, and whether its kind, its first cause and the feature it names are right. Then quiet
months: what the detectors cost when nothing is wrong.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks._detection_faults import FAULTS, Fault
from benchmarks._detection_stream import MINUTE, calm_stream, play, reference_of, settings_of
from inferwatch.events.alert import Alert, Severity, Status

CALM = 45
"""Minutes before a fault: what is learned of a stream needs half an hour."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one fault in one stream.

    Attributes:
        windows: from its onset to the alert; None when it was missed.
        early: alerts before it: false ones.
        alerts: that fired in all.
    """

    windows: int | None
    kind: bool
    cause: bool
    feature: bool
    early: int
    alerts: int
    said: str


def trial(
    fault: Fault, seed: int, *, rows: int = 600, budget: tuple[float, float] = (1, 2)
) -> Told:
    """Inject the fault into the stream of this seed, and read the first alert."""
    rng = np.random.default_rng([seed, sum(fault.name.encode())])
    reference = reference_of(rng)
    stream = calm_stream(rng, minutes=CALM + fault.minutes, onset=CALM, rows=rows)
    fault.inject(stream)
    settings = settings_of(pages=budget[0], tickets=budget[1], segments=fault.segments)
    fired = [a for a in play(stream, reference, settings) if a.status is Status.FIRING]
    early = [a for a in fired if a.updated_at <= stream.onset]
    after = [a for a in fired if a.updated_at > stream.onset]
    if not fault.kinds:
        return Told(None if after else 0, True, True, True, len(early), len(after), _said(after))
    if not after:
        return Told(None, False, False, False, len(early), 0, "")
    first = min(after, key=lambda a: a.updated_at)
    return Told(
        windows=-(-(first.updated_at - stream.onset) // MINUTE),
        kind=str(first.kind) in fault.kinds,
        cause=bool(first.causes) and first.causes[0].cause in fault.causes,
        feature=not fault.features or any(_names(first, name) for name in fault.features),
        early=len(early),
        alerts=len(after),
        said=_said(after),
    )


def _names(alert: Alert, feature: str) -> bool:
    """Whether the alert, or its first piece of evidence, is about the feature."""
    path = f"features.{feature}."
    return alert.metric.startswith(path) or any(
        e.metric.startswith(path) for e in alert.evidence[:1]
    )


def _said(alerts: Sequence[Alert]) -> str:
    return "; ".join(
        f"{a.rule}/{a.kind}/{a.causes[0].cause if a.causes else '-'}/{a.metric}" for a in alerts[:6]
    )


@dataclass(frozen=True, slots=True)
class Row:
    """All seeds of one fault."""

    fault: Fault
    told: tuple[Told, ...]

    @property
    def found(self) -> int:
        return sum(t.windows is not None for t in self.told)

    def right(self, what: str) -> int:
        return sum(bool(getattr(t, what)) for t in self.told)

    def text(self) -> str:
        delays = [t.windows for t in self.told if t.windows is not None]
        delay = f"{statistics.median(delays):5.0f} {max(delays):4d}" if delays else "    -    -"
        alerts = sum(t.alerts for t in self.told) / len(self.told)
        return (
            f"{self.fault.name:26} {self.found:5d} {delay} {self.right('kind'):5d} "
            f"{self.right('cause'):5d} {self.right('feature'):7d} {alerts:6.1f}"
        )


def table(faults: Sequence[Fault], seeds: int, *, say: bool = False) -> list[Row]:
    """Try every fault with each seed, and print as it goes."""
    print(f"{'fault':26} found delay  max  kind cause feature alerts   (of {seeds})")
    rows = []
    for fault in faults:
        rows.append(Row(fault, tuple(trial(fault, seed) for seed in range(seeds))))
        print(rows[-1].text(), flush=True)
        if say:
            for told in rows[-1].told:
                print("     ", told.windows, told.said)
    return rows


def totals(rows: Sequence[Row]) -> dict[str, int]:
    """Sums over all faults that ought to be told of; false alarms over all."""
    real = [row for row in rows if row.fault.kinds]
    return {
        "tried": sum(len(row.told) for row in real),
        "found": sum(row.found for row in real),
        "kind": sum(row.right("kind") for row in real),
        "cause": sum(row.right("cause") for row in real),
        "feature": sum(row.right("feature") for row in real),
        "false": sum(t.early for row in rows for t in row.told)
        + sum(t.alerts for row in rows if not row.fault.kinds for t in row.told),
    }


DAY = 24 * 60
QUIET = ((200, 1_000), (600, 20_000), (2_000, 50_000))
"""Rows a minute, and rows of the reference."""
LABELS = 100
"""A minute, on quiet days: a label costs as much as ten rows."""


def quiet(days: int, rows: int, reference_rows: int, first_seed: int = 1_000) -> list[Alert]:
    """What is told of days on which nothing is wrong, each with a reference of its own."""
    told: list[Alert] = []
    for seed in range(first_seed, first_seed + days):
        rng = np.random.default_rng([seed, rows, reference_rows])
        reference = reference_of(rng, rows=reference_rows)
        labelled = min(1.0, LABELS / rows)
        stream = calm_stream(rng, minutes=DAY, onset=DAY, rows=rows, labelled=labelled)
        alerts = play(stream, reference, settings_of())
        told += [alert for alert in alerts if alert.status is Status.FIRING]
    return told


def quiet_table(days: int) -> None:
    """Print pages and tickets a model and month, where nothing is wrong."""
    for rows, reference_rows in QUIET:
        told = quiet(days, rows, reference_rows)
        pages = sum(alert.severity is Severity.PAGE for alert in told)
        rules = Counter(alert.rule for alert in told)
        print(
            f"{days} quiet days, {rows} rows a minute, reference of {reference_rows}: "
            f"{pages * 30 / days:.1f} pages and {(len(told) - pages) * 30 / days:.1f} tickets a "
            f"model and month {dict(rules) or ''}",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--days", type=int, default=30, help="quiet days of each size")
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument("--say", action="store_true", help="what was said of each")
    options = parser.parse_args()
    wanted = [f for f in FAULTS if options.only in f.name]
    found = totals(table(wanted, options.seeds, say=options.say))
    print(
        "of {tried} faults {found} found, {kind} of the right kind, {cause} with the right first "
        "cause, {feature} with the right feature; {false} false alarms".format(**found)
    )
    if options.days:
        quiet_table(options.days)


if __name__ == "__main__":
    main()
