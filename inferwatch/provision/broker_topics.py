"""The topics as they are on the broker, and how one is created or changed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError, for_code

from inferwatch.errors import InferwatchError, ServiceUnreachableError
from inferwatch.provision.plan import TopicPlan, Wanted


@dataclass(frozen=True, slots=True)
class BrokerTopic:
    """One topic as it is: its partitions, and its settings by Kafka's own names."""

    name: str
    partitions: int
    settings: Mapping[str, str]


def read_topics(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, BrokerTopic]:
    """Those of the topics that exist; asking for one does not create it."""
    with _told("the topics could not be read"):
        present = sorted(set(names) & set(admin.list_topics()))
        if not present:
            return {}
        partitions = {t["name"]: len(t["partitions"]) for t in admin.describe_topics(present)}
        # An empty filter of keys asks for none of them, so None asks for all.
        asked = [ConfigResource(ConfigResourceType.TOPIC, name, configs=None) for name in present]
        found = admin.describe_configs(asked, config_filter="All")
    settings = {name: values for topics in found.values() for name, values in topics.items()}
    return {
        name: BrokerTopic(
            name, partitions[name], {k: str(v["value"]) for k, v in settings[name].items()}
        )
        for name in present
    }


def create(admin: KafkaAdminClient, plans: Iterable[TopicPlan]) -> None:
    """Create the topics and wait until each has a leader; one that exists by now is left alone."""
    wanted = {
        plan.name: {
            "num_partitions": plan.partitions,
            "replication_factor": plan.replication,
            "configs": {k: want.value for k, want in {**plan.settings, **plan.tuning}.items()},
        }
        for plan in plans
    }
    if not wanted:
        return
    with _told("the topics could not be created"):
        answer = admin.create_topics(wanted, raise_errors=False)
        refused = [
            f"{topic['name']}: {topic['error_message'] or for_code(topic['error_code']).__name__}"
            for topic in answer["topics"]
            if topic["error_code"] not in (0, TopicAlreadyExistsError.errno)
        ]
        if refused:
            raise InferwatchError("the broker refused to create " + "; ".join(refused))
        admin.wait_for_topics(list(wanted))


def change(admin: KafkaAdminClient, name: str, settings: Mapping[str, Wanted]) -> None:
    """Set some settings of a topic; all others stay."""
    values = {key: want.value for key, want in settings.items()}
    with _told(f"{name} could not be changed"):
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=values)])


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except KafkaTimeoutError as error:
        raise ServiceUnreachableError(
            f"Kafka: {what}, because the broker did not answer in time ({_brief(error)}); "
            "is every broker of the cluster up?"
        ) from error
    except KafkaError as error:
        raise InferwatchError(f"Kafka: {what}: {_brief(error)}") from error


def _brief(error: KafkaError) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "…"
