"""Takes away what the demo left on a broker and a Redis that are not its own."""

from __future__ import annotations

from inferwatch import topics
from inferwatch.broker import admin
from inferwatch.settings import Settings
from inferwatch.store import connect


def remove_topics(settings: Settings) -> None:
    """Delete the topics of the demo's prefix."""
    with admin(settings.broker) as client:
        client.delete_topics([topic.full_name(settings.topics.prefix) for topic in topics.ALL])


def remove_keys(settings: Settings) -> None:
    """Delete the keys of the demo's prefix."""
    with connect(settings.redis) as client:
        for key in client.scan_iter(match=f"{settings.topics.prefix}inferwatch:*", count=1_000):
            client.delete(key)
