"""What every store of the notifier does; a test class for each store inherits it.

The class gives a fixture `store` (whole), and `lapse(store, ms)` that lets a claim run out.
"""

import json

from alert_story import BEGIN, alert_event

from consumers.notifier.acknowledgement import Acknowledgement
from consumers.notifier.journal.entry import Remembered
from consumers.notifier.lane import Address, Lane, Told
from consumers.notifier.pipeline import finish, step
from consumers.notifier.stages.group import Destination
from consumers.notifier.stages.route import build_tree
from consumers.notifier.stages.silence import Silence
from consumers.notifier.store.interface import Filing
from consumers.notifier.transition import transition_from_json
from inferwatch.settings.notify import NotifySettings
from inferwatch.settings.notify.matchers import Matcher, Operator

LANE = Address("{}", "ops", "webhook", 0, {"model": 'fr"aud\n', "größe": "ä"})
OTHER = Address("{}", "ops", "file", 0, {})
TTL = 15_000
TREE = NotifySettings.model_validate(
    {
        "route": {"receiver": "ops", "group_by": ["..."], "group_wait": "0s"},
        "receivers": [{"name": "ops"}],
    }
)


def filing(incident: str, status: str = "firing", *, to=(LANE,), wait=0, prompt=True, **more):
    event = json.dumps(alert_event(incident, status, **more), ensure_ascii=False)
    where = [Destination(address, wait, prompt) for address in to]
    return Filing(transition_from_json(event.encode()), where)


class StoreSuite:
    """Inherited by one test class a store."""

    def lapse(self, store, ms: int) -> None:
        raise NotImplementedError

    async def test_positions_go_forward_only_unless_asked(self, store):
        assert await store.positions() == {}
        await store.move_to({0: 0, 1: 7})
        await store.move_to({0: 5, 1: 3})
        assert await store.positions() == {0: 5, 1: 7}
        await store.move_to({1: 3}, back=True)
        await store.move_to({})
        assert await store.positions() == {0: 5, 1: 3}

    async def test_a_transition_is_filed_once(self, store):
        a, b = filing("a"), filing("b")
        assert await store.file([a, b, a], BEGIN) == [True, True, False]
        assert await store.file([b], BEGIN + 5) == [False]
        assert await store.file([], BEGIN) == []
        (claim,) = await store.claim(BEGIN, TTL, 10)
        lane, address, inbox = await store.load(claim)
        assert lane is None
        assert address == LANE
        assert [x.transition for x in inbox] == [a.transition, b.transition]

    async def test_events_come_back_as_they_were(self, store):
        event = filing("a", news={"x": [1.0, 1e300, 17, None, [], {}]}, summary='ä\n"\\')
        await store.file([event], BEGIN)
        (claim,) = await store.claim(BEGIN, TTL, 10)
        _, _, inbox = await store.load(claim)
        assert inbox[0].transition.event == event.transition.event
        assert inbox[0].backlog is False

    async def test_a_begin_that_is_read_after_its_end_is_not_told(self, store):
        assert await store.file([filing("a", "resolved")], BEGIN) == [True]
        assert await store.file([filing("a", "firing")], BEGIN) == [False]
        assert await store.open_alerts() == {}

    async def test_an_end_goes_into_the_lanes_of_its_begin(self, store):
        await store.file([filing("a", to=(LANE,))], BEGIN)
        await store.file([filing("a", "resolved", to=(OTHER,))], BEGIN)
        (claim,) = await store.claim(BEGIN, TTL, 10)
        _, address, inbox = await store.load(claim)
        assert address == LANE
        assert [x.transition.status for x in inbox] == ["firing", "resolved"]

    async def test_what_is_handed_over_goes_into_both_lanes_from_then_on(self, store):
        first, end = filing("a", to=(LANE,)), filing("a", "resolved", to=(LANE,))
        await store.file([first], BEGIN)
        there = [Destination(OTHER, 0, True)]
        for _ in range(2):
            await store.hand_over([first.transition], there, BEGIN + 5)
        await store.file([end], BEGIN + 9)
        found = {}
        for claim in await store.claim(BEGIN + 9, TTL, 10):
            _, address, inbox = await store.load(claim)
            found[address.kind] = [(x.transition.status, x.backlog) for x in inbox]
        assert found == {
            "webhook": [("firing", False), ("resolved", False)],
            "file": [("firing", True), ("firing", True), ("resolved", False)],
        }

    async def test_a_begin_is_not_handed_over_after_its_end(self, store):
        begin, end = filing("a"), filing("a", "resolved")
        await store.file([begin, end], BEGIN)
        there = [Destination(OTHER, 0, True)]
        await store.hand_over([begin.transition], there, BEGIN)
        (claim,) = await store.claim(BEGIN, TTL, 10)
        assert claim.lane == LANE.id
        await store.hand_over([begin.transition, end.transition], there, BEGIN + 5)
        (claim,) = await store.claim(BEGIN + 5, TTL, 10)
        _, address, inbox = await store.load(claim)
        assert address == OTHER
        assert [x.transition.status for x in inbox] == ["resolved"]

    async def test_a_lane_that_stood_in_hears_of_the_end_after_a_loss(self, store):
        address = Address("{}!instead/ops", "chat", "file", 0, {})
        told = Told(BEGIN, frozenset({"a"}), frozenset(), {"a/firing": BEGIN})
        await store.restore(Remembered(lanes=(Lane(address, told=told),)), BEGIN)
        await store.file([filing("a", to=(LANE,)), filing("a", "resolved", to=(LANE,))], BEGIN)
        claims = await store.claim(BEGIN, TTL, 10)
        loaded = [await store.load(claim) for claim in claims]
        (inbox,) = (inbox for _, where, inbox in loaded if where == address)
        assert [x.transition.status for x in inbox] == ["firing", "resolved"]

    async def test_open_alerts_are_those_that_go_on(self, store):
        await store.file([filing("a", label_team="risk"), filing("b")], BEGIN)
        await store.file([filing("b", "resolved")], BEGIN)
        found = await store.open_alerts()
        assert found.keys() == {"a"}
        assert found["a"]["team"] == "risk"

    async def test_a_group_waits_from_its_first_alert(self, store):
        await store.file([filing("a", wait=30, prompt=False)], BEGIN)
        await store.file([filing("b", wait=30, prompt=False)], BEGIN + 20)
        assert await store.next_due() == BEGIN + 30
        assert await store.claim(BEGIN + 29, TTL, 10) == []
        assert len(await store.claim(BEGIN + 30, TTL, 10)) == 1

    async def test_a_prompt_lane_comes_due_at_once(self, store):
        await store.file([filing("a", wait=1000)], BEGIN)
        await store.file([filing("b", wait=0)], BEGIN + 1)
        assert await store.next_due() == BEGIN + 1

    async def test_a_claimed_lane_is_nobody_elses_until_the_claim_runs_out(self, store):
        await store.file([filing("a")], BEGIN)
        (claim,) = await store.claim(BEGIN, 200, 10)
        await store.file([filing("b")], BEGIN + 1)
        assert await store.claim(BEGIN + 1, 200, 10) == []
        self.lapse(store, 250)
        (later,) = await store.claim(BEGIN + 250, TTL, 10)
        assert later.lane == claim.lane
        lane = Lane(LANE)
        assert not await store.save(claim, lane, used=1, due=None, due_if_more=BEGIN)
        _, _, inbox = await store.load(later)
        assert len(inbox) == 2

    async def test_claims_are_limited_and_the_earliest_come_first(self, store):
        lanes = [Address("{}", "ops", "file", i, {}) for i in range(5)]
        for i, lane in enumerate(lanes):
            await store.file([filing(f"i{i}", to=(lane,))], BEGIN + i)
        first = await store.claim(BEGIN + 10, TTL, 2)
        assert [c.lane for c in first] == [lane.id for lane in lanes[:2]]
        assert len(await store.claim(BEGIN + 10, TTL, 10)) == 3

    async def test_a_saved_lane_comes_back_whole(self, store):
        await store.file([filing("a", to=(OTHER,)), filing("b", to=(OTHER,))], BEGIN)
        (claim,) = await store.claim(BEGIN, TTL, 10)
        _, address, inbox = await store.load(claim)
        tree = build_tree(TREE)
        done = step(Lane(address), inbox, BEGIN, route=tree, holders=[], send_resolved=True)
        kept = await store.save(
            claim, done.lane, used=done.used, due=BEGIN, due_if_more=BEGIN, keep_for=TTL
        )
        assert kept
        lane, _, rest = await store.load(claim)
        assert lane == done.lane
        assert lane.pending is not None
        assert [x.transition.incident for x in rest] == ["b"]
        after = finish(lane, BEGIN)
        assert await store.save(claim, after, used=0, due=None, due_if_more=BEGIN + 5)
        assert await store.next_due() == BEGIN + 5
        (again,) = await store.claim(BEGIN + 5, TTL, 10)
        assert (await store.load(again))[0] == after

    async def test_a_lane_with_nothing_left_is_not_due(self, store):
        await store.file([filing("a")], BEGIN)
        (claim,) = await store.claim(BEGIN, TTL, 10)
        assert await store.save(claim, Lane(LANE), used=1, due=None, due_if_more=BEGIN)
        assert await store.next_due() is None
        assert not await store.save(claim, Lane(LANE), used=0, due=None, due_if_more=BEGIN)

    async def test_a_dropped_lane_is_gone(self, store):
        await store.file([filing("a")], BEGIN)
        (claim,) = await store.claim(BEGIN, TTL, 10)
        await store.drop(claim)
        assert await store.next_due() is None

    async def test_silences(self, store):
        matchers = (Matcher("model", Operator.MATCH, "fr.*"), Matcher("x", Operator.EQUAL, 'ä"'))
        times = {"created_by": "ann", "comment": "ünïcode", "starts_at": BEGIN}
        first = Silence(id="1", matchers=matchers, ends_at=BEGIN + 10, **times)
        second = Silence(id="2", matchers=matchers, ends_at=BEGIN + 99, **times)
        await store.put_silence(first, BEGIN)
        await store.put_silence(second, BEGIN)
        assert sorted(await store.silences(), key=lambda s: s.id) == [first, second]
        await store.put_silence(second, BEGIN + 50)
        assert await store.silences() == [second]

    async def test_acknowledgements_last_until_the_incident_is_over(self, store):
        await store.file([filing("a"), filing("b")], BEGIN)
        first = Acknowledgement(incident="a", at=BEGIN, by="ann", comment="ünïcode")
        later = Acknowledgement(incident="a", at=BEGIN + 5, by="bob", comment="")
        other = Acknowledgement(incident="b", at=BEGIN, by="ann", comment="")
        for taken in (first, later, other):
            await store.acknowledge(taken)
        assert await store.acknowledgements() == {"a": later, "b": other}
        await store.file([filing("a", "resolved")], BEGIN + 9)
        assert await store.acknowledgements() == {"b": other}

    async def test_what_it_lost_comes_back_and_what_it_has_stays(self, store):
        def silence(name: str, ends_at: int, comment: str = "") -> Silence:
            return Silence(
                id=name,
                matchers=(Matcher("model", Operator.EQUAL, "fraud"),),
                starts_at=BEGIN,
                ends_at=ends_at,
                created_by="ann",
                comment=comment,
            )

        def taken(incident: str, by: str) -> Acknowledgement:
            return Acknowledgement(incident=incident, at=BEGIN, by=by, comment="")

        await store.put_silence(silence("known", BEGIN + 50), BEGIN)
        await store.put_silence(silence("ended", BEGIN + 50), BEGIN)
        await store.acknowledge(taken("a", "ann"))
        there = (
            silence("known", BEGIN + 50, "older words"),
            silence("ended", BEGIN + 20),
            silence("lost", BEGIN + 50),
            silence("over", BEGIN + 5),
        )
        both = (taken("a", "bob"), taken("b", "bob"))
        await store.restore(Remembered(there, both), BEGIN + 10)
        found = {s.id: (s.ends_at - BEGIN, s.comment) for s in await store.silences()}
        assert found == {"known": (50, ""), "ended": (20, ""), "lost": (50, "")}
        assert {a.incident: a.by for a in (await store.acknowledgements()).values()} == {
            "a": "ann",
            "b": "bob",
        }

    async def test_what_receivers_were_told_comes_back_and_what_a_lane_has_stays(self, store):
        def lane(address: Address, at: int) -> Lane:
            alert = filing("a").transition
            told = Told(at, frozenset({"a"}), frozenset(), {alert.id: at})
            return Lane(address, {"a": alert}, told)

        await store.restore(Remembered(lanes=(lane(LANE, 1), Lane(OTHER))), BEGIN)
        await store.restore(Remembered(lanes=(lane(LANE, 2),)), BEGIN + 5)
        assert await store.next_due() == BEGIN
        (claim,) = await store.claim(BEGIN, TTL, 10)
        found, address, inbox = await store.load(claim)
        assert (found, address, inbox) == (lane(LANE, 1), LANE, [])
