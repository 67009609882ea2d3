"""The notifier's state in Redis: shared by all notifiers, kept over restarts.

Keys are `<prefix>inferwatch:notifier:{n}:…`; every value begins with its format number.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import orjson
from redis.asyncio import Redis

from consumers.notifier.acknowledgement import (
    Acknowledgement,
    acknowledgement_from_json,
    acknowledgement_to_json,
)
from consumers.notifier.journal.entry import Remembered
from consumers.notifier.lane import (
    FORMAT,
    Address,
    Lane,
    address_from_json,
    check_format,
    lane_from_json,
    lane_to_json,
)
from consumers.notifier.stages.collect import INBOX_AT_ONCE, Arrival
from consumers.notifier.stages.fallback import instead_of
from consumers.notifier.stages.group import Destination
from consumers.notifier.stages.silence import Silence
from consumers.notifier.store import scripts
from consumers.notifier.store.interface import Claim, Filing
from consumers.notifier.store.silence_json import silence_from_json, silence_to_json
from consumers.notifier.transition import Transition, transition_from_json

DAY_MS = 86_400_000
# An incident may stay open for long, and its end has to find the lanes of its begin.
OPEN_TTL_MS = 365 * DAY_MS
# A client of redis-py has 100 connections and fails beyond; hundreds of lanes are busy at once.
CONNECTIONS = 32
# Longer than the alerts topic keeps a record by default, so that none is acted on twice.
OVER_TTL_MS = 14 * DAY_MS


class RedisStore:
    """A `Store` in Redis.

    Costs: one round trip to file a batch of transitions, and one for each of claim, load and save.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        """Use a connection (bytes, not text) and the topics' prefix."""
        self._redis: Any = redis
        self._root = f"{prefix}inferwatch:notifier:{{n}}:"
        self._owner = uuid.uuid4().hex
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._tokens = count(1)
        self._claim = redis.register_script(scripts.CLAIM)
        self._save = redis.register_script(scripts.SAVE)
        self._drop = redis.register_script(scripts.DROP)
        self._move = redis.register_script(scripts.MOVE)
        self._begin_anew = redis.register_script(scripts.BEGIN_ANEW)
        self._make_whole = redis.register_script(scripts.MAKE_WHOLE)

    def _key(self, *parts: str) -> str:
        return self._root + ":".join(parts)

    async def positions(self) -> dict[int, int]:
        """See `Store`."""
        stored = await self._redis.hgetall(self._key("positions"))
        return {int(k): int(_body(v, "the position")) for k, v in stored.items()}

    async def move_to(self, positions: Mapping[int, int], *, back: bool = False) -> None:
        """See `Store`."""
        flat = [n for item in positions.items() for n in item]
        if flat:
            await self._move(
                keys=[self._key("positions")], args=[FORMAT, "back" if back else "", *flat]
            )

    async def file(self, filings: Sequence[Filing], now: int) -> list[bool]:
        """See `Store`."""
        if not filings:
            return []
        async with self._room, self._redis.pipeline(transaction=False) as pipe:
            for filing in filings:
                keys = [
                    self._key("incident", filing.transition.incident),
                    self._key("due"),
                    self._key("open"),
                    self._key("acknowledged"),
                ]
                # The whole script: the pipeline of a cluster takes no EVALSHA.
                pipe.eval(scripts.FILE, len(keys), *keys, *self._filing_args(filing, now))
            return [bool(taken) for taken in await pipe.execute()]

    def _filing_args(self, filing: Filing, now: int) -> list[Any]:
        new = filing.transition
        body = (b"backlog\n" if filing.backlog else b"\n") + new.to_json()
        return [
            new.id,
            _kind(new),
            now,
            _lanes_json(filing.destinations),
            body,
            new.incident,
            orjson.dumps(dict(new.labels)),
            self._key("inbox", ""),
            OPEN_TTL_MS if new.open else OVER_TTL_MS,
            FORMAT,
        ]

    async def hand_over(
        self, transitions: Sequence[Transition], to: Sequence[Destination], now: int
    ) -> None:
        """See `Store`."""
        async with self._room, self._redis.pipeline(transaction=False) as pipe:
            for transition in transitions:
                body = b"backlog\n" + transition.to_json()
                self._add_lanes(
                    pipe, transition.incident, to, now, body=body, kind=_kind(transition)
                )
            await pipe.execute()

    def _add_lanes(
        self,
        pipe: Any,
        incident: str,
        to: Sequence[Destination],
        now: int,
        *,
        body: bytes = b"",
        kind: str = "open",
    ) -> None:
        args = [now, _lanes_json(to), body, self._key("inbox", ""), OPEN_TTL_MS, FORMAT, kind]
        keys = [self._key("incident", incident), self._key("due")]
        pipe.eval(scripts.HAND_OVER, len(keys), *keys, *args)

    async def open_alerts(self) -> dict[str, dict[str, str]]:
        """See `Store`."""
        stored = await self._redis.hgetall(self._key("open"))
        return {k.decode(): orjson.loads(_body(v, "an open alert")) for k, v in stored.items()}

    async def next_due(self) -> int | None:
        """See `Store`."""
        first = await self._redis.zrange(self._key("due"), 0, 0, withscores=True)
        return int(first[0][1]) if first else None

    async def whole(self) -> bool:
        """See `Store`."""
        stored = await self._redis.get(self._key("whole"))
        return stored is not None and bool(_body(stored, "the mark of a whole state"))

    async def make_whole(self) -> bool:
        """See `Store`."""
        return bool(await self._make_whole(keys=[self._key("whole"), self._key("restored")]))

    async def restore(self, remembered: Remembered, now: int) -> None:
        """See `Store`."""
        # First, so that its mark is gone when anything that follows is.
        await self._begin_anew(
            keys=[self._key("whole"), self._key("restored"), self._key("positions")],
            args=[b"%d restored" % FORMAT],
        )
        known = {s.id: s for s in await self.silences()}
        for silence in remembered.silences:
            mine = known.get(silence.id)
            # The only change of a silence is its earlier end.
            if silence.ends_at < mine.ends_at if mine else silence.ends_at > now:
                await self.put_silence(silence, now)
        for taken in remembered.acknowledgements:
            value = b"%d " % FORMAT + acknowledgement_to_json(taken)
            await self._redis.hsetnx(self._key("acknowledged"), taken.incident, value)
        async with self._redis.pipeline(transaction=False) as pipe:
            for lane in remembered.lanes:
                name, kept = lane.address.id, OPEN_TTL_MS if lane.alerts else OVER_TTL_MS
                pipe.set(self._key("lane", name), lane_to_json(lane), nx=True, px=kept)
                if lane.alerts:
                    pipe.zadd(self._key("due"), {name: now}, nx=True)
                for incident in lane.told.firing if lane.told and instead_of(lane.address) else ():
                    here = Destination(lane.address, 0, prompt=True)
                    self._add_lanes(pipe, incident, [here], now)
            await pipe.execute()

    async def claim(self, now: int, ttl: int, limit: int) -> list[Claim]:
        """See `Store`."""
        token = f"{self._owner}:{next(self._tokens)}"
        lanes = await self._claim(
            keys=[self._key("due"), self._key("whole")],
            args=[now, token, ttl, limit, self._key("lease", "")],
        )
        return [Claim(lane.decode(), token) for lane in lanes]

    async def load(self, claim: Claim) -> tuple[Lane | None, Address, list[Arrival]]:
        """See `Store`."""
        # No transaction: while the claim holds, nothing but the inbox grows.
        async with self._room, self._redis.pipeline(transaction=False) as pipe:
            pipe.get(self._key("lane", claim.lane))
            pipe.lrange(self._key("inbox", claim.lane), 0, INBOX_AT_ONCE - 1)
            state, entries = await pipe.execute()
        lane = lane_from_json(state) if state is not None else None
        read = [_arrival(entry) for entry in entries]
        if lane is None and not read:
            raise KeyError(claim.lane)
        address = lane.address if lane is not None else read[0][0]
        return lane, address, [arrival for _, arrival in read]

    async def save(
        self,
        claim: Claim,
        lane: Lane,
        *,
        used: int,
        due: int | None,
        due_if_more: int,
        keep_for: int | None = None,
    ) -> bool:
        """See `Store`."""
        args: list[Any] = [
            claim.token,
            claim.lane,
            lane_to_json(lane),
            used,
            "" if due is None else due,
            due_if_more,
            "" if keep_for is None else keep_for,
            OPEN_TTL_MS if lane.alerts else OVER_TTL_MS,
        ]
        async with self._room:
            return bool(await self._save(keys=self._lane_keys(claim), args=args))

    async def drop(self, claim: Claim) -> None:
        """See `Store`."""
        async with self._room:
            await self._drop(keys=self._lane_keys(claim), args=[claim.token, claim.lane])

    def _lane_keys(self, claim: Claim) -> list[str]:
        return [
            self._key("lease", claim.lane),
            self._key("lane", claim.lane),
            self._key("inbox", claim.lane),
            self._key("due"),
        ]

    async def silences(self) -> list[Silence]:
        """See `Store`."""
        stored = await self._redis.hvals(self._key("silences"))
        return [silence_from_json(_body(text, "a silence")) for text in stored]

    async def put_silence(self, silence: Silence, now: int) -> None:
        """See `Store`."""
        key = self._key("silences")
        over = [s.id for s in await self.silences() if s.ends_at <= now]
        if over:
            await self._redis.hdel(key, *over)
        await self._redis.hset(key, silence.id, b"%d " % FORMAT + silence_to_json(silence))

    async def acknowledgements(self) -> dict[str, Acknowledgement]:
        """See `Store`."""
        stored = await self._redis.hvals(self._key("acknowledged"))
        found = [acknowledgement_from_json(_body(text, "an acknowledgement")) for text in stored]
        return {a.incident: a for a in found}

    async def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """See `Store`."""
        value = b"%d " % FORMAT + acknowledgement_to_json(acknowledgement)
        await self._redis.hset(self._key("acknowledged"), acknowledgement.incident, value)


def _lanes_json(destinations: Sequence[Destination]) -> bytes:
    return orjson.dumps(
        [
            [to.address.id, to.wait, int(to.prompt), to.address.to_json().decode()]
            for to in destinations
        ]
    )


def _kind(transition: Transition) -> str:
    if not transition.open:
        return "closed"
    return "firing" if transition.status == "firing" else "open"


def _arrival(entry: bytes) -> tuple[Address, Arrival]:
    address, backlog, event = _body(entry, "a waiting alert").split(b"\n", 2)
    return address_from_json(address), Arrival(transition_from_json(event), backlog == b"backlog")


def _body(stored: bytes, what: str) -> bytes:
    number, _, body = stored.partition(b" ")
    check_format(number, what)
    return body
