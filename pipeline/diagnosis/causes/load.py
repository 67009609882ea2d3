"""More requests than the model server takes."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number, percent

RATE = "latency.requests_per_s"
CPU = "resources.cpu_percent.mean"
MORE = 1.3
BUSY = 85.0


def examine(view: View) -> Examined | None:
    """The request rate is up with the latency; surer where the processor is full."""
    now, usual = view.now.get(RATE), view.usual.get(RATE)
    if not now or not usual or now < MORE * usual:
        return None
    ratio = now / usual
    busy = view.now.get(CPU, 0.0) >= BUSY
    confidence = min(0.95, 0.55 + 0.3 * min(1.0, (ratio - MORE) / 1.2) + (0.1 if busy else 0.0))
    why = f"requests came at {number(now)} a second, usually {number(usual)}"
    if busy:
        why += f", and the processor is at {percent(view.now[CPU] / 100)}"
    return examined(
        "load",
        confidence,
        why,
        evidence=(
            Evidence(
                text=f"requests a second: {number(usual)} became {number(now)}",
                metric=RATE,
                before=usual,
                after=now,
            ),
        ),
        suggestions=(
            Suggestion(
                text="Add replicas of the model server, or shed load: find which client sends "
                "more, and whether it retries.",
            ),
        ),
    )


def is_flat(view: View) -> bool:
    """The request rate is known, and as usual."""
    now, usual = view.now.get(RATE), view.usual.get(RATE)
    return now is not None and usual is not None and now < 1.2 * usual
