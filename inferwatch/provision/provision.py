"""Creates the topics of a config, or says how those on the broker differ from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferwatch import topics
from inferwatch.broker import admin
from inferwatch.errors import UsageError
from inferwatch.provision import memory
from inferwatch.provision.broker_topics import BrokerTopic, change, create, read_topics
from inferwatch.provision.plan import TopicPlan, describe, plan_topics
from inferwatch.settings.tree import Settings


@dataclass
class Outcome:
    """What was done, and what is not as it should be; a line for each.

    Attributes:
        done: what was created or changed.
        differences: what does not hold.
        notes: what is worth knowing and does no harm.
    """

    done: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def create_topics(settings: Settings) -> Outcome:
    """Create what is missing, and bring the settings of the rest to what the config needs.

    A retention is made longer, never shorter; partitions are never changed, since correcting a
    label needs the partition that counted it.
    """
    _refuse_mock_cluster(settings)
    plans = plan_topics(settings)
    outcome = Outcome()
    with admin(settings.broker) as client:
        before = read_topics(client, [p.name for p in plans])
        missing = [p for p in plans if p.name not in before]
        create(client, missing)
        outcome.done += [f"{p.name}: created with {p.partitions} partitions" for p in missing]
        for plan in plans:
            if plan.name not in before:
                continue
            actual = before[plan.name].settings
            shortfalls = plan.shortfalls(actual) | plan.untuned(actual)
            if shortfalls:
                change(client, plan.name, shortfalls)
            outcome.done += [
                f"{plan.name}: {key} changed from {actual.get(key)} to {want.value}"
                for key, want in shortfalls.items()
            ]
        after = read_topics(client, [p.name for p in plans])
    remembered = memory.recall(settings)
    began = {
        p.topic.name: remembered.get(p.topic.name, after[p.name].partitions)
        for p in plans
        if p.name in after
    }
    if began != remembered:
        memory.remember(settings, {**remembered, **began})
    _compare(plans, after, began, outcome)
    return outcome


def check_topics(settings: Settings) -> Outcome:
    """Say what differs; nothing is changed."""
    _refuse_mock_cluster(settings)
    plans = plan_topics(settings)
    with admin(settings.broker) as client:
        actual = read_topics(client, [p.name for p in plans])
    state = topics.STATE.full_name(settings.topics.prefix)
    began = memory.recall(settings) if state in actual else {}
    outcome = Outcome()
    _compare(plans, actual, began, outcome)
    return outcome


def _refuse_mock_cluster(settings: Settings) -> None:
    if settings.broker.api_version is not None:
        raise UsageError(
            "broker.api_version is set, so the broker is librdkafka's mock cluster: it makes each "
            "topic itself when one is first asked for, and keeps no settings of it"
        )


def _compare(
    plans: list[TopicPlan],
    actual: Mapping[str, BrokerTopic],
    began: Mapping[str, int],
    outcome: Outcome,
) -> None:
    for plan in plans:
        topic = actual.get(plan.name)
        if topic is None:
            outcome.differences.append(
                f"{plan.name}: is missing; create it with: inferwatch topics create"
            )
            continue
        outcome.differences += [
            f"{plan.name}: {describe(key, topic.settings.get(key), want)}"
            for key, want in plan.shortfalls(topic.settings).items()
        ]
        outcome.notes += [
            f"{plan.name}: {describe(key, topic.settings.get(key), want)} for it to be read "
            "quickly; set it with: inferwatch topics create"
            for key, want in plan.untuned(topic.settings).items()
        ]
        first = began.get(plan.topic.name)
        if first is not None and first != topic.partitions:
            outcome.differences.append(
                f"{plan.name}: has {topic.partitions} partitions, this prefix began with {first}; "
                "take a new prefix, for labels can no longer be matched to what counted them"
            )
        elif topic.partitions != plan.partitions:
            outcome.notes.append(
                f"{plan.name}: keeps its {topic.partitions} partitions, the config says "
                f"{plan.partitions}; partitions are set when a topic is created"
            )
