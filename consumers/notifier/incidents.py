"""The incidents that `monitoring.alerts` knows, each as its latest transition tells it."""

from __future__ import annotations

from collections.abc import Iterable

from consumers.notifier.transition import Transition, transition_from_json
from inferwatch import topics
from inferwatch.errors import RejectedEventError
from inferwatch.settings import Settings
from inferwatch.topic_reader import read_to_end


def read_incidents(settings: Settings) -> dict[str, Transition]:
    """The latest transition of every incident that the topic keeps, by incident.

    Raises:
        ServiceUnreachableError: Kafka does not answer.
    """
    name = topics.ALERTS.full_name(settings.topics.prefix)
    return latest(record.value for record in read_to_end(settings, name))


def latest(values: Iterable[bytes | None]) -> dict[str, Transition]:
    """The latest transition of each incident; an incident's records come in their order.

    What is no alert event is passed over, and so is a begin that is read again after its end.
    """
    found: dict[str, Transition] = {}
    for value in values:
        if value is None:
            continue
        try:
            new = transition_from_json(value)
        except RejectedEventError:
            continue
        before = found.get(new.incident)
        if before is None or before.open or new.status != "firing":
            found[new.incident] = new
    return found
