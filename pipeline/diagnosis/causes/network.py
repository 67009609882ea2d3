"""The bytes are the problem: larger requests or answers, or a slow line."""

from __future__ import annotations

from inferwatch.events.alert import Evidence, Suggestion
from pipeline.diagnosis.causes.load import RATE, is_flat
from pipeline.diagnosis.view import Examined, View, examined
from pipeline.diagnosis.wording import number, times

METRICS = ("resources.net_rx_bytes.mean", "resources.net_tx_bytes.mean")
MORE = 1.5


def examine(view: View) -> Examined | None:
    """Bytes a request are up at a flat request rate."""
    best: tuple[float, str] | None = None
    for metric in METRICS:
        now, usual = view.now.get(metric), view.usual.get(metric)
        if not now or not usual:
            continue
        # More requests bring more bytes: only what exceeds that is the network's.
        rates = view.now.get(RATE), view.usual.get(RATE)
        growth = rates[0] / rates[1] if rates[0] and rates[1] else 1.0
        ratio = now / usual / max(1.0, growth)
        if ratio >= MORE and (best is None or ratio > best[0]):
            best = (ratio, metric)
    if best is None:
        return None
    ratio, metric = best
    way = "received" if "rx" in metric else "sent"
    flat = "at the usual request rate" if is_flat(view) else "a request"
    return examined(
        "network",
        0.5 + 0.3 * min(1.0, (ratio - MORE) / 2),
        f"{times(ratio)} the usual bytes are {way} {flat}",
        evidence=(
            Evidence(
                text=f"bytes {way}: {number(view.usual[metric])} became {number(view.now[metric])}",
                metric=metric,
                before=view.usual[metric],
                after=view.now[metric],
            ),
        ),
        suggestions=(
            Suggestion(
                text="Compare the size of requests and answers with yesterday's: a client may send "
                "larger batches or payloads; check the line between gateway and model server.",
            ),
        ),
    )
