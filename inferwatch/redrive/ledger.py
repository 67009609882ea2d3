"""What was sent again, as `monitoring.state` remembers it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from inferwatch import topics
from inferwatch.redrive.plan import DONE, KEY, Plan, claims
from inferwatch.redrive.post import Post
from inferwatch.settings import Settings
from inferwatch.topic_reader import read_to_end

PARTITION = 0
"""Of `monitoring.state`: one partition, so that all plans have one order."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The plans that stand, in the order of the log, and those of which the broker has all.

    Attributes:
        plans: those that were not taken back.
        done: origins of the plans that were carried out.
    """

    plans: list[Plan] = field(default_factory=list)
    done: frozenset[str] = frozenset()

    @property
    def claimed(self) -> dict[str, Plan]:
        """Letter -> the plan that sends it."""
        return claims(self.plans)

    @property
    def unfinished(self) -> list[Plan]:
        """Plans that were broken off, or that somebody is carrying out right now."""
        return [plan for plan in self.plans if plan.origin not in self.done]

    def outdated(self, letters: Container[str]) -> list[Plan]:
        """Plans that are done and none of whose letters is kept any more: they may be forgotten."""
        return [
            plan
            for plan in self.plans
            if plan.origin in self.done and not any(one in letters for one in plan.letters)
        ]


def read_ledger(settings: Settings) -> Ledger:
    """What the topic says now.

    Raises:
        ServiceUnreachableError: Kafka does not answer.
        StateFormatError: a newer version wrote a plan.
    """
    found: dict[str, Any] = {}
    for record in read_to_end(settings, topics.STATE.full_name(settings.topics.prefix)):
        key = (record.key or b"").decode("utf-8", "replace")
        if not key.startswith(KEY) or record.partition != PARTITION:
            continue
        if record.value is None:
            found.pop(key, None)
        else:
            found.setdefault(key, record.value)
    done = {key.removesuffix(DONE).removeprefix(KEY) for key in found if key.endswith(DONE)}
    plans = [Plan.unpack(key, value) for key, value in found.items() if not key.endswith(DONE)]
    return Ledger(plans, frozenset(done))


class LedgerWriter:
    """Writes plans; each method returns once the broker has what it wrote."""

    def __init__(self, settings: Settings, post: Post) -> None:
        """Write by this post."""
        self._topic = topics.STATE.full_name(settings.topics.prefix)
        self._post = post

    def announce(self, plan: Plan) -> None:
        """Lay claim to the letters of a plan."""
        self._put(plan.key, plan.pack())

    def finish(self, plan: Plan) -> None:
        """The broker has every record of the plan."""
        self._put(plan.key + DONE, b"\x01")

    def forget(self, plan: Plan) -> None:
        """Take a plan back; what it claimed is free again."""
        self._put(plan.key, None)
        self._put(plan.key + DONE, None)

    def _put(self, key: str, value: bytes | None) -> None:
        self._post.send(self._topic, PARTITION, key.encode(), value, ())
        self._post.settle()
