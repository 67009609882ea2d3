"""Create topics for a test, on the real broker and on the embedded one."""

from kafka.admin import KafkaAdminClient


def make_topic(
    bootstrap: str,
    name: str,
    *,
    partitions: int = 4,
    config: dict[str, str] | None = None,
    api_version: tuple[int, int] | None = None,
) -> str:
    """Create one topic and wait until each of its partitions has a leader; returns its name.

    The embedded broker (`api_version` (2, 3)) does not answer CreateTopics, but makes a topic of
    4 partitions when it is first asked about.
    """
    options = {} if api_version is None else {"api_version": api_version}
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, **options)
    try:
        if api_version is None:
            wanted = {
                name: {
                    "num_partitions": partitions,
                    "replication_factor": 1,
                    "configs": config or {},
                }
            }
            admin.create_topics(wanted)
            admin.wait_for_topics([name])
        else:
            admin.describe_topics([name])
    finally:
        admin.close()
    return name
