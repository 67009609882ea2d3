r"""Prometheus text format 0.0.4: what a service says about itself on `/metrics`.

Names are `inferwatch_<part>_<what>_<unit>`, in base units (seconds, bytes, ratios), counters end in
`_total`. Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Family:
    r"""One metric with all its label sets.

    >>> lag = Family("inferwatch_dashboard_lag_records", "gauge", "Records not read yet.")
    >>> lag.add(3, topic='a "quoted" one')
    >>> print(render([lag]), end="")
    # HELP inferwatch_dashboard_lag_records Records not read yet.
    # TYPE inferwatch_dashboard_lag_records gauge
    inferwatch_dashboard_lag_records{topic="a \"quoted\" one"} 3
    """

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float | None, /, **labels: str) -> None:
        """One more label set; None is not exposed."""
        if value is not None:
            self.samples.append((labels, value))


def render(families: Iterable[Family]) -> str:
    """The text of all families that have samples."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# HELP {family.name} {_escape(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += (f"{family.name}{_labels(ls)} {_number(value)}" for ls, value in family.samples)
    return "".join(line + "\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    quoted = ",".join(
        f'{name}="{_escape(value).replace(chr(34), chr(92) + chr(34))}"'
        for name, value in labels.items()
    )
    return "{" + quoted + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
