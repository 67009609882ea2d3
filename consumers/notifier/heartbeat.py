"""Heartbeat: a sign of life by the clock, told like an alert but asking for nothing.

Each beat is an incident of its own that is over from its begin: it opens nothing in PagerDuty, and
nothing inhibits or silences it. Of several notifiers that make the same beat one files it.
"""

from __future__ import annotations

import orjson

from consumers.notifier.lane import Address
from consumers.notifier.page import KIND_HEARTBEAT, clock
from consumers.notifier.stages.group import Destination
from consumers.notifier.stages.route import HEARTBEAT
from consumers.notifier.store.interface import Filing
from consumers.notifier.transition import Transition, transition_from_json
from consumers.notifier.vitals import LATEST, Vitals
from inferwatch.settings.notify import NotifySettings


def beat(at: int, since: int, vitals: Vitals, firing: int) -> Transition:
    """The beat of a time.

    Args:
        at: when it was due (ms since the epoch): its name, the same in every notifier.
        since: from when on was counted.
        vitals: what was watched.
        firing: how many incidents go on now.
    """
    labels = {"alertname": "inferwatch-heartbeat", "severity": "info"}
    return transition_from_json(
        orjson.dumps(
            {
                "schema": "inferwatch.alert/1",
                "fingerprint": f"{0:016}",
                "incident": f"heartbeat-{at}",
                "status": "resolved",
                "severity": "info",
                "starts_at": since,
                "ends_at": at,
                "updated_at": at,
                "rule": "inferwatch-heartbeat",
                "kind": KIND_HEARTBEAT,
                "labels": labels,
                "summary": summary(vitals, firing),
                "models": vitals.models,
                "windows": vitals.windows,
                "firing": firing,
            }
        )
    )


def summary(vitals: Vitals, firing: int) -> str:
    """What was watched, in a sentence.

    >>> summary(Vitals(2, 2880, (0.987, "fraud"), (1764000000000, "price")), 0)
    'inferwatch watches 2 models: 2880 windows, at least 98.7% complete (fraud), \
all up to 2025-11-24 16:00:00 UTC (price); 0 incidents go on'
    >>> summary(Vitals(), 1)
    'inferwatch runs, but saw no window; 1 incident goes on'
    """
    more = "1 incident goes on" if firing == 1 else f"{firing} incidents go on"
    if not vitals.windows:
        return f"inferwatch runs, but saw no window; {more}"
    models = "1 model" if vitals.models == 1 else f"{vitals.models} models"
    said = [f"{vitals.windows} windows" + (" or more" if vitals.windows >= LATEST else "")]
    if vitals.least is not None:
        said.append(f"at least {vitals.least[0]:.1%} complete ({vitals.least[1]})")
    if vitals.oldest is not None:
        said.append(f"all up to {clock(vitals.oldest[0])} ({vitals.oldest[1]})")
    return f"inferwatch watches {models}: {', '.join(said)}; {more}"


def filing(transition: Transition, notify: NotifySettings) -> Filing:
    """The beat with the lanes it goes into: one for each channel of the receiver."""
    assert notify.heartbeat is not None
    receiver = notify.heartbeat.receiver
    lanes = [
        Destination(Address(HEARTBEAT, receiver, kind, index, {}), 0, prompt=True)
        for kind, index, _ in notify.receiver(receiver).channels()
    ]
    return Filing(transition, lanes)
