"""Messages for a channel, and a channel made from a piece of config as `inferwatch notify` does."""

import json
from contextlib import asynccontextmanager

from alert_story import BEGIN

from consumers.notifier.channels.build import close_channels, receiver_channels
from consumers.notifier.notification import Notification, Posted, notification_id
from consumers.notifier.reason import Reason
from consumers.notifier.transition import transition_from_json
from inferwatch.settings import Settings
from inferwatch.settings.notify.receiver import ReceiverSettings


def message(
    *events: dict, reason: Reason = Reason.FIRST, follows: Posted | None = None
) -> Notification:
    """A message of the receiver `ops` about these alerts."""
    alerts = tuple(transition_from_json(json.dumps(e).encode()) for e in events)
    return Notification(
        id=notification_id(a.id for a in alerts), reason=reason, receiver="ops",
        group_key='{}:{model="fraud"}', group_labels={"model": "fraud"}, alerts=alerts, at=BEGIN,
        follows=follows,
    )  # fmt: skip


@asynccontextmanager
async def channel(kind: str, settings: Settings | None = None, **config):
    """The channel of `KIND_configs: [{…}]`."""
    receiver = ReceiverSettings.model_validate({"name": "ops", f"{kind}_configs": [config]})
    made = receiver_channels(receiver, settings or Settings())
    try:
        yield made[("ops", kind, 0)].channel
    finally:
        await close_channels(made)
