"""Dedup: whether there is anything to say, and why. A pure decision, tested as a table."""

from __future__ import annotations

from collections.abc import Collection

from consumers.notifier.lane import Told
from consumers.notifier.reason import Reason
from consumers.notifier.transition import Transition


def decide(
    told: Told | None,
    alerts: Collection[Transition],
    now: int,
    *,
    repeat_interval: int,
    send_resolved: bool,
    acknowledged: Collection[str] = (),
) -> Reason | None:
    """Why a message about these alerts is due, or None. The rules are Alertmanager's.

    Args:
        told: what the channel was told last.
        alerts: the latest transition of each incident of the group, without those held back.
        now: ms since the epoch.
        repeat_interval: ms until a firing group is told again.
        send_resolved: whether the end of an incident is a reason by itself.
        acknowledged: the incidents that somebody works on; they alone are no reason to repeat.
    """
    firing = {a.incident for a in alerts if a.open}
    over = {a.incident for a in alerts if not a.open}
    if told is None:
        # The receiver never heard of these alerts, so their resolution stays silent.
        return Reason.FIRST if firing else None
    if not firing <= told.firing:
        return Reason.NEW_ALERTS
    if any(
        a.status == "corrected" and a.id not in told.heard and told.knows(a.incident)
        for a in alerts
    ):
        return Reason.CORRECTED
    if not firing:
        # Also where resolutions are not sent: the record of what fires has to be cleared.
        return Reason.ALL_RESOLVED if told.firing else None
    if send_resolved and not over <= told.resolved:
        return Reason.SOME_RESOLVED
    if firing <= set(acknowledged):
        return None
    return Reason.REPEAT if now - told.at >= repeat_interval else None
