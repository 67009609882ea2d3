"""The model server is running out of memory."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.causes.load import is_flat
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number

METRICS = ("resources.rss_bytes.mean", "resources.gpu_memory_bytes.mean")
MORE = 1.2
MIB = 2**20


def examine(view: View) -> Examined | None:
    """Resident memory is up against long ago (a leak is slow), at a flat request rate."""
    for metric in METRICS:
        now, early = view.now.get(metric), view.early.get(metric) or view.usual.get(metric)
        if not now or not early or now < MORE * early:
            continue
        ratio, flat = now / early, is_flat(view)
        confidence = (0.6 if flat else 0.35) + 0.3 * min(1.0, ratio - MORE)
        rate = "while requests come at the usual rate" if flat else "while requests rose too"
        word = "resident memory" if "rss" in metric else "GPU memory"
        return examined(
            "memory",
            confidence,
            f"{word} grew from {number(early / MIB)} to {number(now / MIB)} MiB {rate}",
            evidence=(
                Evidence(
                    text=f"{word}: {number(early / MIB)} MiB became {number(now / MIB)} MiB",
                    metric=metric,
                    before=early,
                    after=now,
                ),
            ),
            suggestions=(
                Suggestion(
                    text="Restart the model server, one replica at a time, to win time: the "
                    "latency should fall with its memory.",
                ),
                Suggestion(
                    text="Then look for the leak: a cache without a bound, requests that are kept, "
                    "a library that was updated with the last release.",
                ),
            ),
        )
    return None
