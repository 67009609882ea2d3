"""Sending dead letters again, in an order that a crash between any two steps cannot turn wrong.

    1. read      the dead letters, and what was planned before
    2. finish    plans that were broken off: sent again under the numbers that they had
    3. announce  a plan for the letters that nobody has claimed
    4. look      whether somebody else was first; then the plan is taken back and made anew
    5. send      its records, each with a number of the plan's own sender
    6. close     the plan, once the broker has all of them

Killed after 1 or 3: nothing was sent. After 5: the next run sends it again under the same numbers,
and the fold counts each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from inferwatch import topics
from inferwatch.deadletter_log import letter_id, read_letters
from inferwatch.events.deadletter import DeadLetter
from inferwatch.provision.partitions import partitions_of
from inferwatch.redrive.ledger import LedgerWriter, read_ledger
from inferwatch.redrive.plan import MAX_LETTERS, Plan
from inferwatch.redrive.post import Post
from inferwatch.redrive.resend import NotWhole, Resend, resend_of
from inferwatch.settings import Settings

Progress = Callable[[int], object]
"""Told how many more letters are on their way."""


@dataclass(slots=True)
class Outcome:
    """What a run did, in dead letters.

    Attributes:
        chosen: that fit the choice.
        sent: sent now; by a dry run, that would be.
        before: sent by an earlier run.
        finished: of plans that an earlier run had broken off, whatever the choice.
        not_whole: by id, why one cannot be sent.
    """

    chosen: int = 0
    sent: int = 0
    before: int = 0
    finished: int = 0
    not_whole: dict[str, NotWhole] = field(default_factory=dict)


def redrive(
    settings: Settings,
    wanted: Callable[[DeadLetter], bool],
    *,
    new_origin: Callable[[], str],
    dry_run: bool,
    progress: Callable[[int], Progress],
) -> Outcome:
    """Send dead letters again to the topic and partition that they came from.

    Args:
        settings: whose topics.
        wanted: the choice.
        new_origin: a sender's name that was never used.
        dry_run: write nothing.
        progress: given the number of letters to send, what is told of them as they go.

    Raises:
        ServiceUnreachableError: Kafka does not answer, or did not take a record.
        UsageError: a topic is missing.
    """
    # A worker that was killed may have written a letter twice: it is one.
    letters = {letter_id(letter): letter for letter in read_letters(settings)}
    partitions = _partitions(settings, letters.values())
    found = {name: resend_of(letter, partitions) for name, letter in letters.items()}
    whole = {name: one for name, one in found.items() if isinstance(one, Resend)}
    chosen = [name for name, letter in letters.items() if wanted(letter)]
    ledger = read_ledger(settings)
    claimed = ledger.claimed
    outcome = Outcome(chosen=len(chosen))
    outcome.not_whole = {name: one for name in chosen if isinstance(one := found[name], NotWhole)}
    fresh = [whole[name] for name in chosen if name in whole and name not in claimed]
    broken_off = [plan for plan in ledger.unfinished if any(one in whole for one in plan.letters)]
    finishing = {one for plan in broken_off for one in plan.letters if one in whole}
    outcome.finished = len(finishing)
    outcome.before = sum(name in claimed and name not in finishing for name in chosen)
    outcome.sent = len(fresh)
    if dry_run or not (fresh or ledger.plans):
        return outcome
    with closing(Post(settings)) as post:
        run = _Run(settings, post, whole, progress(len(fresh) + len(finishing)))
        for plan in ledger.outdated(letters):
            run.writer.forget(plan)
        for plan in broken_off:
            run.carry_out(plan, ledger.claimed)
        outcome.sent = run.send(fresh, new_origin)
        outcome.before += len(fresh) - outcome.sent
    return outcome


class _Run:
    """One run's connection, and the records that it may send."""

    def __init__(
        self, settings: Settings, post: Post, whole: dict[str, Resend], progress: Progress
    ) -> None:
        self._settings = settings
        self._post = post
        self._whole = whole
        self._progress = progress
        self.writer = LedgerWriter(settings, post)

    def send(self, fresh: Sequence[Resend], new_origin: Callable[[], str]) -> int:
        """Plan and send these; how many were left to this run."""
        sent = 0
        while fresh:
            plans = list(_plans(fresh, new_origin))
            for plan in plans:
                self.writer.announce(plan)
            ours = {plan.origin for plan in plans}
            claimed = read_ledger(self._settings).claimed
            lost = {one.id for one in fresh if claimed[one.id].origin not in ours}
            fresh = [one for one in fresh if one.id not in lost]
            if not lost:
                for plan in plans:
                    sent += self.carry_out(plan, claimed)
                return sent
            for plan in plans:
                self.writer.forget(plan)
        return sent

    def carry_out(self, plan: Plan, claimed: dict[str, Plan]) -> int:
        """Send the records of a plan, and close it; how many they are."""
        mine = {n: one for n, one in self._whole.items() if claimed.get(n) == plan}
        sent = 0
        for resend, numbering in plan.numbered(mine):
            headers = (*resend.headers, *numbering)
            self._post.send(resend.topic, resend.partition, resend.key, resend.value, headers)
            self._progress(1)
            sent += 1
        self._post.settle()
        self.writer.finish(plan)
        return sent


def _plans(resends: Sequence[Resend], new_origin: Callable[[], str]) -> Iterator[Plan]:
    for is_batches in (False, True):
        names = [one.id for one in resends if one.is_batch is is_batches]
        for first in range(0, len(names), MAX_LETTERS):
            yield Plan(new_origin(), tuple(names[first : first + MAX_LETTERS]), is_batches)


def _partitions(settings: Settings, letters: Iterable[DeadLetter]) -> dict[str, int]:
    """The partitions of the input topics that letters came from; what is missing is told here."""
    prefix = settings.topics.prefix
    inputs = {topic.full_name(prefix) for topic in topics.INPUTS}
    names = sorted(inputs & {letter.topic for letter in letters})
    if names and not settings.broker.mock:  # a mock cluster makes it when it is written to
        partitions_of(settings.broker, topics.STATE.full_name(prefix))
    return {name: partitions_of(settings.broker, name) for name in names}


def counted(outcome: Outcome) -> dict[str, int]:
    """How many cannot be sent, by reason.

    >>> counted(Outcome(not_whole={"a": NotWhole.CUT, "b": NotWhole.CUT}))
    {'cut': 2}
    """
    return dict(sorted(Counter(one.name.lower() for one in outcome.not_whole.values()).items()))
