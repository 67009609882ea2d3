"""A promoted replica is on another history than the primary it followed."""

import redis
from eventually import eventually

from inferwatch.embedded.redis import EmbeddedRedis
from pipeline.state.history import TELL_HISTORY, refuse_other_history


def test_a_replica_that_takes_over_has_a_history_of_its_own(tmp_path):
    for name in ("primary", "replica"):
        (tmp_path / name).mkdir()
    with (
        EmbeddedRedis(tmp_path / "primary") as primary,
        EmbeddedRedis(tmp_path / "replica") as replica,
        redis.Redis.from_url(primary.url, decode_responses=True) as one,
        redis.Redis.from_url(replica.url, decode_responses=True) as other,
    ):
        one.config_set("repl-diskless-sync-delay", 0)
        tell = one.register_script(TELL_HISTORY)
        refuse = one.register_script(refuse_other_history(1) + "return 1")
        other.replicaof("127.0.0.1", str(primary.port))
        one.set("key", "value")
        eventually(lambda: other.get("key") == "value")
        history = tell(client=one)
        assert len(history) == 40
        assert refuse(args=[history], client=one) == 1
        assert refuse(args=[""], client=one) == 1
        other.replicaof("NO", "ONE")
        assert tell(client=other) != history
        assert refuse(args=[history], client=other) == 0
