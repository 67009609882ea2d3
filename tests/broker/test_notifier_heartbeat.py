"""The sign of life of a running notifier: counted from the windows topic, told once."""

import json
import time

import pytest
import yaml
from eventually import eventually
from http_receiver import HttpReceiver
from kafka import KafkaProducer
from notifier_process import Process

from inferwatch.settings import load
from inferwatch.topic_reader import read_to_end

pytestmark = pytest.mark.broker

WINDOW = {"model": "fraud", "version": "7", "segment": None, "window": "1m", "completeness": 0.5}


def test_two_notifiers_killed_and_started_again_send_one(
    alerts, configure, new_topic, kafka_bootstrap, kafka_api_version, prefix, tmp_path
):
    new_topic("monitoring.windows", partitions=2)
    new_topic("monitoring.state", partitions=2, config={"cleanup.policy": "compact"})
    options = {} if kafka_api_version is None else {"api_version": kafka_api_version}
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all", **options)
    for n in range(5):
        window = WINDOW | {"start": n * 60_000, "end": (n + 1) * 60_000}
        value = json.dumps(window).encode()
        producer.send(f"{prefix}monitoring.windows", value, partition=n % 2).get(10)
    producer.close()
    with HttpReceiver() as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        path = tmp_path / "config.yaml"
        config = yaml.safe_load(path.read_text())
        config["notify"]["heartbeat"] = {"every": "10000d", "receiver": "ops"}
        path.write_text(json.dumps(config))
        settings, name = load(str(path)), f"{prefix}monitoring.windows"
        in_an_hour = int(time.time() * 1000) + 3_600_000
        assert len(list(read_to_end(settings, name, since=0))) == 5
        assert len(list(read_to_end(settings, name, since=0, latest=1))) == 2
        assert list(read_to_end(settings, name, since=in_an_hour)) == []
        with Process(tmp_path, "one") as one, Process(tmp_path, "two") as two:
            eventually(lambda: hook.posts)
            for process in (one, two):
                eventually(lambda p=process: "reading alerts from" in p.log.read_text())
            one.kill()
            one.start()
            eventually(lambda: one.log.read_text().count("reading alerts from") == 2)
        (post,) = hook.posts
    body = json.loads(post.body)
    assert body["reason"] == "heartbeat"
    assert body["alerts"][0]["annotations"]["summary"] == (
        "inferwatch watches 1 model: 5 windows, at least 50.0% complete (fraud), "
        "all up to 1970-01-01 00:05:00 UTC (fraud); 0 incidents go on"
    )
