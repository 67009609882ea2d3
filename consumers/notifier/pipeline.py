"""What a lane does when its time comes: the stages in their order, without any input or output.

1. collect    new transitions join the group; for a digest also what came and went
2. hold       inhibited, silenced and muted alerts wait
   escalate   in the lane of an escalation's step, what was not told for long enough waits too
3. dedup      is there anything to say, and why
4. (send)     by the lane's channel, see `sender.py`
5. retry      when it is tried again
6. record     what the receiver knows now

Route and group come before: they decide into which lanes a transition goes (`intake.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from consumers.notifier.lane import Lane
from consumers.notifier.notification import Escalated, Notification, Posted, notification_id
from consumers.notifier.reason import Hold, Reason
from consumers.notifier.stages.collect import INBOX_AT_ONCE, Arrival, collect
from consumers.notifier.stages.dedup import decide
from consumers.notifier.stages.digest import gather, is_due, period_start
from consumers.notifier.stages.escalate import next_check, wait
from consumers.notifier.stages.fallback import instead_of
from consumers.notifier.stages.hold import Holder
from consumers.notifier.stages.record import record_sent, record_silent
from consumers.notifier.stages.retry import LOOK_AGAIN_MS
from consumers.notifier.stages.route import HEARTBEAT, Route
from consumers.notifier.transition import Transition


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with a lane now.

    Attributes:
        lane: its new state; with a `pending` message when there is one to send.
        used: how many of the inbox it took.
        due: when to come back (ms since the epoch); None when nothing is left to do.
        due_if_more: when to come back if the inbox holds more.
        held: why alerts were held back.
    """

    lane: Lane
    used: int
    due: int | None
    due_if_more: int
    held: dict[str, Hold]


def step(
    lane: Lane,
    inbox: Sequence[Arrival],
    now: int,
    *,
    route: Route,
    holders: Sequence[Holder],
    send_resolved: bool,
    acknowledged: Collection[str] = (),
    renews: bool = False,
) -> Step:
    """Decide what a lane without a pending message does now.

    Args:
        lane: its state.
        inbox: the transitions that wait.
        now: ms since the epoch.
        route: where its times come from.
        holders: the stages that hold alerts back.
        send_resolved: whether its channel wants the end of an incident.
        acknowledged: the incidents that nobody has to be told of again.
        renews: whether the channel has to hear of what fires all the same.
    """
    if route.digest is None:
        lane, used = collect(lane, inbox, prompt=route.prompt)
    else:
        lane, used = gather(lane, inbox, period_start(lane.told, route.digest, now))
        # All of it goes into one message, however much it is.
        more = len(inbox) >= INBOX_AT_ONCE
        if more or not is_due(lane.told, route.digest, now):
            at = now if more else route.digest.next_after(now)
            return Step(lane, used, at, at, {})
    # A sign of life is no alert: whoever silenced all alerts still wants to see it.
    held = _held(lane, route, () if route.key == HEARTBEAT else holders, now)
    if route.escalation is not None:
        lane, held = wait(lane, held, route.escalation, acknowledged, now)
    shown = [t for i, t in lane.alerts.items() if i not in held]
    reason = None
    if route.digest is not None:
        told = Reason.HEARTBEAT if route.key == HEARTBEAT else Reason.DIGEST
        reason = told if shown else None
        # It tells what came and went, to a channel that does not hear of each end too.
        send_resolved = True
    elif shown:
        reason = decide(
            lane.told,
            shown,
            now,
            repeat_interval=route.repeat_interval,
            send_resolved=send_resolved,
            # A program that has to hear of what fires would take silence for the end of it.
            acknowledged=() if renews else acknowledged,
        )
    if reason is not None:
        message = _message(lane, shown, reason, now, route=route, send_resolved=send_resolved)
        if message.alerts:
            covered = frozenset(t.incident for t in shown)
            lane = replace(lane, pending=message, covered=covered, attempts=0)
        else:
            # Only resolutions, and the channel does not want them: they count as told.
            lane = record_sent(lane, shown, held, now)
    else:
        lane = record_silent(lane, held)
    due, due_if_more = next_look(lane, route, now)
    return Step(lane, used, due, due_if_more, held)


def finish(lane: Lane, at: int, posted: Posted | None = None) -> Lane:
    """The lane after its pending message, made at `at`, was delivered, and stands at `posted`."""
    shown = [t for i, t in lane.alerts.items() if i in lane.covered]
    held = [i for i in lane.alerts if i not in lane.covered]
    done = record_sent(lane, shown, held, at, posted)
    return replace(done, since={i: at for i, at in done.since.items() if i in done.alerts})


def next_look(lane: Lane, route: Route, since: int) -> tuple[int | None, int]:
    """When a lane is due again, without and with more in its inbox.

    Args:
        lane: its new state.
        route: where its times come from.
        since: when the group was looked at last (ms since the epoch).
    """
    if route.escalation is not None:
        return next_check(lane, route.escalation, route.repeat_interval, since), since
    if route.digest is not None:
        at = route.digest.next_after(since)
        return (at if lane.alerts else None), at
    if not route.prompt:
        due = since + route.group_interval
        return (due if lane.alerts else None), due
    if not lane.alerts:
        return None, since
    if lane.told is None or any(t.id not in lane.told.heard for t in lane.alerts.values()):
        # Something was held back, or refused.
        return since + LOOK_AGAIN_MS, since
    return max(lane.told.at + route.repeat_interval, since + LOOK_AGAIN_MS), since


def _held(lane: Lane, route: Route, holders: Sequence[Holder], now: int) -> dict[str, Hold]:
    held: dict[str, Hold] = {}
    for incident, alert in lane.alerts.items():
        for holder in holders:
            why = holder.hold(route, alert.labels, now)
            if why is not None:
                held[incident] = why
                break
    return held


def _message(
    lane: Lane,
    shown: Sequence[Transition],
    reason: Reason,
    now: int,
    *,
    route: Route,
    send_resolved: bool,
) -> Notification:
    wanted = [a for a in shown if a.open or send_resolved]
    wanted.sort(key=lambda a: (not a.open, a.starts_at, a.incident))
    heard = lane.told.heard if lane.told else {}
    new = [a.id for a in wanted if a.id not in heard]
    if route.prompt and new:
        # A message a transition: what is known already is not told with it.
        wanted = [a for a in wanted if a.id in new]
    repeated = lane.told.at if lane.told and not new else None
    told = new or [a.id for a in wanted]
    escalated = None
    if route.escalation is not None:
        # A receiver that drops what it has must not take it for what the first one was told.
        told = [*told, f"escalate/{route.escalation.step}"]
        waiting = [lane.since[a.incident] for a in wanted if a.open and a.incident in lane.since]
        if waiting:
            escalated = Escalated(route.escalation.step, min(waiting))
        if reason in (Reason.FIRST, Reason.NEW_ALERTS):
            reason = Reason.ESCALATED
    instead = instead_of(lane.address)
    if instead is not None and reason in (Reason.FIRST, Reason.NEW_ALERTS):
        reason = Reason.INSTEAD
    since = None
    if route.digest is not None and reason == Reason.DIGEST:
        since = period_start(lane.told, route.digest, now)
    return Notification(
        id=notification_id(told, repeated),
        reason=reason,
        receiver=lane.address.receiver,
        group_key=lane.address.group_key,
        group_labels=lane.address.labels,
        alerts=tuple(wanted),
        at=now,
        follows=lane.told.posted if lane.told else None,
        escalated=escalated,
        digest_since=since,
        instead_of=instead,
    )
