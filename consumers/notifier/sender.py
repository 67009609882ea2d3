"""Sender: works on the lanes that are due, each message until its receiver has it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from redis.exceptions import RedisError

from consumers.notifier.channels.build import BoundChannel, ChannelKey
from consumers.notifier.channels.interface import Permanent, Retryable, Sent
from consumers.notifier.clock import Clock
from consumers.notifier.journal.entry import Entry, forget_told, told_entry
from consumers.notifier.lane import Address, Lane
from consumers.notifier.notification import Notification
from consumers.notifier.pipeline import finish, next_look, step
from consumers.notifier.reason import Reason
from consumers.notifier.stages.collect import Arrival
from consumers.notifier.stages.fallback import (
    INSTEAD,
    falls_at,
    standing_in,
    substitutes,
    to_hand_over,
)
from consumers.notifier.stages.hold import Holder
from consumers.notifier.stages.inhibit import Inhibitor
from consumers.notifier.stages.intervals import TimeTable
from consumers.notifier.stages.record import record_refused
from consumers.notifier.stages.retry import LOOK_AGAIN_MS, given_up, next_try
from consumers.notifier.stages.route import HEARTBEAT, STEP, Route, heartbeat_route
from consumers.notifier.stages.silence import Silencer
from consumers.notifier.store.interface import Claim, Store
from inferwatch.errors import StateFormatError
from inferwatch.settings.notify import NotifySettings
from inferwatch.tasks import end_tasks

_log = logging.getLogger(__name__)

# A lane whose notifier died is taken over after this time.
LEASE_MS = 15_000
# Messages that are on their way at once, in all and to one channel: a dead receiver, whose messages
# each wait for their timeout, leaves room for the others, and for two that die in the same moment.
IN_FLIGHT = 256
IN_FLIGHT_A_CHANNEL = 96
IN_FLIGHT_A_DEAD_CHANNEL = 32
BUSY_MS = 200
# A receiver that refuses a message gets it again with the group's next one, but not sooner.
REFUSED_MS = 300_000

LogDelivery = Callable[[Notification, int, bool, str], Awaitable[None]]
Note = Callable[[Entry], None]


@dataclass(frozen=True, slots=True)
class _Work:
    claim: Claim
    route: Route
    bound: BoundChannel
    key: ChannelKey
    # What the lane's inbox holds beyond its message.
    waiting: Sequence[Arrival]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds alerts back, and what nobody has to be told of again, at the time of a sweep."""

    holders: Sequence[Holder]
    acknowledged: frozenset[str]


class Sender:
    """Claims lanes, decides what they say, sends it, and records the outcome.

    Crash order: (1) claim; (2) save the message that will be sent; (3) send it; (4) save the
    outcome. A process that dies before (2) leaves the lane as it was; after it, whoever claims the
    lane next sends the saved message, with the same id. What was told is noted after (4), for a
    store that is emptied.
    """

    def __init__(
        self,
        store: Store,
        notify: NotifySettings,
        tree: Route,
        channels: Mapping[ChannelKey, BoundChannel],
        clock: Clock,
        log_delivery: LogDelivery,
        note: Note,
    ) -> None:
        """Send through channels what the store's lanes hold."""
        self._store = store
        self._notify = notify
        self._root = tree
        self._routes = tree.all()
        heartbeat = heartbeat_route(notify)
        if heartbeat is not None:
            self._routes[heartbeat.key] = heartbeat
        self._channels = channels
        self._clock = clock
        self._log_delivery = log_delivery
        self._note = note
        self._table = TimeTable(notify.intervals())
        self._fatal: StateFormatError | None = None
        self._in_flight: Counter[ChannelKey] = Counter()
        # Since when a channel has neither taken nor refused a message (ms since the epoch).
        self._failing: dict[ChannelKey, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        longest = max((b.settings.timeout for b in channels.values()), default=0)
        self._lease = max(LEASE_MS, longest + 5_000)

    async def sweep(self) -> int:
        """Start work on all lanes that are due now; how many were started.

        Raises:
            StateFormatError: a newer version wrote the state of a lane.
        """
        if self._fatal is not None:
            raise self._fatal
        room = IN_FLIGHT - len(self._tasks)
        if room <= 0:
            return 0
        now = self._clock.now()
        claims = await self._store.claim(now, self._lease, room)
        if claims:
            holders = await self._holders()
            acknowledged = frozenset(await self._store.acknowledgements())
            for claim in claims:
                task = asyncio.create_task(self._work(claim, _Rules(holders, acknowledged)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return len(claims)

    async def settle(self, timeout_s: float | None = None) -> None:
        """Wait until nothing is on its way; what takes longer is left to the next notifier."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            await end_tasks(late)

    @property
    def busy(self) -> bool:
        """Whether there is no room for more work."""
        return len(self._tasks) >= IN_FLIGHT

    async def _holders(self) -> list[Holder]:
        holders: list[Holder] = []
        if self._notify.inhibit_rules:
            firing = list((await self._store.open_alerts()).values())
            holders.append(Inhibitor(self._notify.inhibit_rules, firing))
        holders.append(self._table)
        holders.append(Silencer(await self._store.silences()))
        return holders

    async def _work(self, claim: Claim, rules: _Rules) -> None:
        try:
            loaded = await self._store.load(claim)
            await self._flush(claim, *loaded, rules)
        except StateFormatError as error:
            self._fatal = error
        except (RedisError, OSError) as error:
            # The lane comes due again when its claim has run out.
            _log.warning("Redis does not answer (%s); a group of alerts waits", error)
        except Exception:
            _log.exception("a group of alerts could not be worked on; it is tried again")

    async def _flush(
        self,
        claim: Claim,
        stored: Lane | None,
        address: Address,
        inbox: Sequence[Arrival],
        rules: _Rules,
    ) -> None:
        lane = stored or Lane(address)
        key = (address.receiver, address.kind, address.index)
        bound = self._channels.get(key)
        own, stands_in, _ = address.route.partition(INSTEAD)
        gone = own not in self._routes and (STEP in own or own == HEARTBEAT)
        if bound is None or gone:
            what = "the step, or the heartbeat," if gone else "its receiver"
            _log.warning(
                "receiver %s (%s %d): %s is gone from the config: its alerts end here", *key, what
            )
            await self._store.drop(claim)
            self._note(forget_told(address))
            return
        # A route that is gone from the config leaves its open alerts to the root's timing.
        route = self._routes.get(own, self._root)
        route = standing_in(route) if stands_in else route
        work = _Work(claim, route.for_channel(bound.settings.renew), bound, key, inbox)
        now = self._clock.now()
        most = IN_FLIGHT_A_DEAD_CHANNEL if key in self._failing else IN_FLIGHT_A_CHANNEL
        if self._in_flight[key] >= most:
            await self._wait(work, lane, now + BUSY_MS)
        elif lane.pending is None:
            await self._decide(work, lane, inbox, rules, now)
        elif now < lane.retry_at:
            waiting = await self._fall_back(work, lane, now)
            await self._wait(work, waiting, self._next_look(work, waiting, now))
        else:
            await self._deliver(work, lane, lane.pending)

    async def _wait(self, work: _Work, lane: Lane, until: int) -> None:
        await self._store.save(work.claim, lane, used=0, due=until, due_if_more=until)

    async def _decide(
        self, work: _Work, lane: Lane, inbox: Sequence[Arrival], rules: _Rules, now: int
    ) -> None:
        channel = work.bound.settings
        done = step(
            lane,
            inbox,
            now,
            route=work.route,
            holders=rules.holders,
            send_resolved=channel.send_resolved,
            acknowledged=rules.acknowledged,
            renews=channel.renew is not None,
        )
        if done.lane.pending is None:
            saved = await self._store.save(
                work.claim, done.lane, used=done.used, due=done.due, due_if_more=done.due_if_more
            )
            changed = done.lane.told is not lane.told or done.lane.since != lane.since
            if saved and changed:
                self._note(told_entry(done.lane))
            return
        until = now + self._lease
        held = await self._store.save(
            work.claim,
            done.lane,
            used=done.used,
            due=until,
            due_if_more=until,
            keep_for=self._lease,
        )
        if held:
            work = replace(work, waiting=inbox[done.used :])
            await self._deliver(work, done.lane, done.lane.pending)

    async def _deliver(self, work: _Work, lane: Lane, message: Notification) -> None:
        attempt = lane.attempts + 1
        self._in_flight[work.key] += 1
        try:
            sent = await work.bound.channel.send(message, self._clock.now())
        except Permanent as refusal:
            # Whoever refuses a message is not dead.
            self._failing.pop(work.key, None)
            await self._refused(work, lane, message, attempt, str(refusal))
        except Retryable as failure:
            await self._failed(work, lane, message, attempt, failure)
        except Exception as failure:
            # A channel that breaks is a fault of ours: it neither stops the others nor is it lost.
            _log.exception("the channel %s %s %d failed", *work.key)
            await self._failed(
                work, lane, message, attempt, Retryable(f"failed: {type(failure).__name__}")
            )
        else:
            await self._delivered(work, lane, message, attempt, sent)
        finally:
            self._in_flight[work.key] -= 1

    async def _delivered(
        self, work: _Work, lane: Lane, message: Notification, attempt: int, sent: Sent
    ) -> None:
        await self._log_delivery(message, attempt, True, sent.detail)
        self._failing.pop(work.key, None)
        lane = finish(lane, message.at, sent.posted)
        due, due_if_more = next_look(lane, work.route, message.at)
        saved = await self._store.save(work.claim, lane, used=0, due=due, due_if_more=due_if_more)
        # Said only when it is known of: who reads it and kills us finds it told once.
        _log.info(
            "told %s (%s): %d firing, %d resolved: %s, %s",
            message.receiver,
            work.key[1],
            len(message.firing),
            len(message.resolved),
            message.reason,
            sent.detail,
        )
        # A renewal is due again so soon that noting it would save nobody anything.
        renewal = message.reason == Reason.REPEAT and work.bound.settings.renew is not None
        if saved and not renewal:
            self._note(told_entry(lane))

    async def _failed(
        self, work: _Work, lane: Lane, message: Notification, attempt: int, failure: Retryable
    ) -> None:
        now = self._clock.now()
        if given_up(message.at, now):
            await self._refused(work, lane, message, attempt, f"given up after a day: {failure}")
            return
        at = next_try(message.id, attempt, now, failure.retry_after_ms)
        _log.warning(
            "%s (%s) did not take a message, try %d: %s; again in %.1f s",
            message.receiver,
            work.key[1],
            attempt,
            failure,
            (at - now) / 1000,
        )
        await self._log_delivery(message, attempt, False, str(failure))
        self._failing.setdefault(work.key, now)
        lane = await self._fall_back(work, replace(lane, attempts=attempt, retry_at=at), now)
        look = self._next_look(work, lane, now)
        await self._store.save(work.claim, lane, used=0, due=look, due_if_more=look)

    def _falls_at(self, work: _Work, lane: Lane) -> int | None:
        """When another receiver is told instead; None when there is none, or nothing to tell."""
        fallback = self._notify.receiver(lane.address.receiver).fallback
        if fallback is None or lane.pending is None:
            return None
        made_at = lane.pending.at
        return falls_at(fallback.after, made_at, self._failing.get(work.key, made_at))

    def _next_look(self, work: _Work, lane: Lane, now: int) -> int:
        """When to look at a lane whose message waits for its next try (ms since the epoch).

        With a fallback also in between: what comes into the group meanwhile falls too.
        """
        falls = self._falls_at(work, lane)
        if falls is None:
            return lane.retry_at
        return min(lane.retry_at, falls if now < falls else now + LOOK_AGAIN_MS)

    async def _fall_back(self, work: _Work, lane: Lane, now: int, *, refused: bool = False) -> Lane:
        """Tell another receiver of what this one does not take, once it was dead for long enough.

        Killed before the lane is saved, it is handed over again; whoever heard of it drops that.
        """
        at = self._falls_at(work, lane)
        if at is None or (now < at and not refused):
            return lane
        found = to_hand_over(lane, () if refused else work.waiting)
        to = substitutes(self._notify, lane.address)
        if not found or not to:
            return lane
        _log.warning(
            "%s (%s) stays dead: %s is told instead", *work.key[:2], to[0].address.receiver
        )
        await self._store.hand_over(found, to, now)
        return replace(lane, handed=lane.handed | {t.id for t in found})

    async def _refused(
        self, work: _Work, lane: Lane, message: Notification, attempt: int, detail: str
    ) -> None:
        _log.error("%s (%s) refused a message: %s", message.receiver, work.key[1], detail)
        await self._log_delivery(message, attempt, False, detail)
        now = self._clock.now()
        await self._fall_back(work, lane, now, refused=True)
        later = now + max(work.route.group_interval, REFUSED_MS)
        await self._store.save(
            work.claim,
            record_refused(lane),
            used=0,
            due=later,
            due_if_more=now if work.route.prompt else later,
        )
