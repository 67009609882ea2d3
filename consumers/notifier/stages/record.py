"""Record: what a lane knows after a message went out, or after there was nothing to say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from consumers.notifier.lane import HEARD_COUNT, HEARD_MS, Lane, Told
from consumers.notifier.notification import Posted
from consumers.notifier.transition import Transition


def record_sent(
    lane: Lane,
    shown: Collection[Transition],
    held: Collection[str],
    now: int,
    posted: Posted | None = None,
) -> Lane:
    """The lane after a message about `shown`; `held` are the incidents held back meanwhile.

    `posted` is where the message stands, for a channel that edits it when more happens.
    """
    before = lane.told or Told(0)
    heard = _remembered(lane, before, now) | {a.id: now for a in shown}
    # What is held back is not over: it is neither told again nor forgotten.
    firing = frozenset(a.incident for a in shown if a.open) | (before.firing & set(held))
    told = Told(
        at=now,
        firing=firing,
        resolved=frozenset(a.incident for a in shown if not a.open),
        heard=heard,
        # What fires after all was over is a new message, where people see it.
        posted=(posted or before.posted) if firing else None,
    )
    done = {a.id for a in shown if not a.open}
    alerts = {i: t for i, t in lane.alerts.items() if t.id not in done}
    return replace(lane.without_pending(), alerts=alerts, told=told)


def _remembered(lane: Lane, told: Told, now: int) -> dict[str, int]:
    """What was heard of and may matter again: whatever still fires, and the latest of the rest."""
    current = {key for i, t in lane.alerts.items() for key in (f"{i}/firing", t.id)}
    recent = sorted(
        (at, key) for key, at in told.heard.items() if key not in current and now - at < HEARD_MS
    )
    kept = {key: at for at, key in recent[-HEARD_COUNT:]}
    return kept | {key: at for key, at in told.heard.items() if key in current}


def record_silent(lane: Lane, held: Collection[str]) -> Lane:
    """The lane after there was nothing to say.

    What is over and needs no message leaves the group; what is over but held back stays when its
    receiver still believes that it fires.
    """
    alerts = {
        i: t
        for i, t in lane.alerts.items()
        if t.open or (i in held and lane.told is not None and lane.told.knows(i))
    }
    return lane.with_alerts(alerts)


def record_refused(lane: Lane) -> Lane:
    """The lane after its message was refused for good, or given up: it counts as not told."""
    return lane.without_pending()
