"""`inferwatch notify` as a process, on the run's Kafka and Redis, with real receivers."""

import json
import os
import random
import subprocess
import sys

import pytest
from alert_story import alert_event
from eventually import eventually
from http_receiver import Answer, HttpReceiver
from notifier_process import Process, told

pytestmark = pytest.mark.broker


def test_an_alert_is_delivered_once_to_webhook_and_file(alerts, configure, tmp_path):
    path = tmp_path / "alerts.jsonl"
    with HttpReceiver() as hook:
        configure(
            [{
                "name": "ops",
                "webhook_configs": [{"url": hook.url}],
                "file_configs": [{"path": str(path)}],
                "console_configs": [{}],
            }]
        )  # fmt: skip
        with Process(tmp_path) as notifier:
            eventually(lambda: "reading alerts from" in notifier.log.read_text())
            alerts(alert_event("i1"), alert_event("i1"))
            eventually(lambda: told(hook))
            alerts(alert_event("i1", "resolved"))
            eventually(lambda: len(told(hook)) == 2)
            eventually(lambda: len(path.read_text().splitlines()) == 2)
            assert notifier.stop() < 5
            text = notifier.log.read_text()
        assert told(hook) == [("i1", "firing"), ("i1", "resolved")]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(x["incident"], x["status"]) for x in lines] == [("i1", "firing"), ("i1", "resolved")]
    tries = [json.loads(x) for x in (tmp_path / "deliveries.jsonl").read_text().splitlines()]
    assert len(tries) == 6
    assert tries[0].keys() == {
        "at", "receiver", "incident", "fingerprint", "status", "attempt", "ok", "detail",
    }  # fmt: skip
    assert "PAGE firing: i1 is slow" in text


def test_a_backlog_pages_for_what_still_fires_only(alerts, configure, tmp_path):
    alerts(alert_event("old"), alert_event("old", "resolved"), alert_event("new"))
    with HttpReceiver() as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        with Process(tmp_path):
            eventually(lambda: told(hook))
            alerts(alert_event("last", label_alertname="other"))
            eventually(lambda: ("last", "firing") in told(hook))
        assert told(hook) == [("new", "firing"), ("last", "firing")]


def test_a_record_that_is_no_alert_does_not_stop_the_ones_behind_it(
    alerts, configure, tmp_path, kafka_bootstrap, kafka_api_version, prefix
):
    with HttpReceiver() as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        with Process(tmp_path) as notifier:
            eventually(lambda: "reading alerts from" in notifier.log.read_text())
            for wrong in ({"labels": {}}, {"status": "odd"}, {"incident": ""}):
                alerts(alert_event("x") | wrong | {"fingerprint": "f"} if wrong != {"labels": {}}
                       else alert_event("x") | {"labels": 7})  # fmt: skip
            alerts(alert_event("i1"))
            eventually(lambda: told(hook) == [("i1", "firing")])
            assert notifier.log.read_text().count("is passed over") == 3


def test_killed_at_random_moments_each_transition_arrives_with_one_id_and_in_order(
    alerts, configure, tmp_path
):
    rng = random.Random(7)
    incidents = [f"i{n}" for n in range(60)]
    with HttpReceiver(lambda n: Answer(503 if n % 7 == 0 else 200, wait_s=0.005)) as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        with Process(tmp_path) as notifier:
            eventually(lambda: "reading alerts from" in notifier.log.read_text())
            for n, incident in enumerate(incidents):
                alerts(alert_event(incident, label_alertname=incident))
                alerts(alert_event(incident, "resolved", label_alertname=incident))
                if n % 20 == 10:
                    before = len(hook.posts)
                    eventually(lambda b=before: len(hook.posts) >= b + rng.randrange(3))
                    notifier.kill()
                    notifier.start()
            wanted = {(i, s) for i in incidents for s in ("firing", "resolved")}
            eventually(lambda: set(told(hook)) == wanted, 60)
            # The last ones may still have to be tried again.
            eventually(lambda: notifier.log.read_text().count("told ops") >= 1)
        order = told(hook)
        ids = {}
        for post in hook.posts:
            body = json.loads(post.body)
            (alert,) = body["alerts"]
            key = (alert["incident"], alert["event"]["status"])
            assert ids.setdefault(key, post.headers["webhook-id"]) == post.headers["webhook-id"]
        assert len(set(ids.values())) == len(ids)
    for incident in incidents:
        statuses = [s for i, s in order if i == incident]
        assert statuses == sorted(statuses), incident


def test_two_notifiers_share_the_work_and_one_takes_over(alerts, configure, tmp_path):
    with HttpReceiver() as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        with Process(tmp_path, "one") as one, Process(tmp_path, "two") as two:
            for process in (one, two):
                eventually(lambda p=process: "reading alerts from" in p.log.read_text())
            alerts(*[alert_event(f"i{n}", label_alertname=str(n)) for n in range(40)])
            eventually(lambda: len(told(hook)) >= 40)
            one.kill()
            alerts(alert_event("last", label_alertname="last"))
            eventually(lambda: ("last", "firing") in told(hook), 20)
        assert sorted(told(hook)) == sorted([*((f"i{n}", "firing") for n in range(40)),
                                             ("last", "firing")])  # fmt: skip


def test_without_a_broker_it_says_what_it_tried_and_ends_with_3(configure, tmp_path):
    configure([{"name": "ops", "console_configs": [{}]}])
    path = tmp_path / "config.yaml"
    config = json.loads(path.read_text())
    config["broker"] = {"url": "kafka://127.0.0.1:1"}
    path.write_text(json.dumps(config))
    said = subprocess.run(
        [sys.executable, "-m", "inferwatch", "notify", "-c", str(path)],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=60,
    )
    assert said.returncode == 3
    assert "127.0.0.1:1" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_receiver_that_cannot_be_built_ends_with_2(configure, tmp_path):
    configure([{"name": "ops", "apprise_configs": [{"url": "nosuch://hunter2"}]}])
    said = subprocess.run(
        [sys.executable, "-m", "inferwatch", "notify", "-c", str(tmp_path / "config.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 2
    assert "receiver 'ops': apprise_configs: Apprise knows no such `url`" in said.stderr
    assert "hunter2" not in said.stderr


def test_it_outlives_an_absence_of_redis_and_of_kafka(
    alerts, configure, tmp_path, redis_server, kafka_server
):
    if not kafka_server.real:
        pytest.skip("the stand-in keeps nothing over a restart")
    with HttpReceiver() as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        with Process(tmp_path) as notifier:
            eventually(lambda: "reading alerts from" in notifier.log.read_text())
            redis_server.kill()
            try:
                alerts(alert_event("while redis was away", label_alertname="1"))
                eventually(lambda: "Redis does not answer" in notifier.log.read_text())
            finally:
                redis_server.start()
            eventually(lambda: told(hook) == [("while redis was away", "firing")])
            kafka_server.kill()
            kafka_server.start()
            alerts(alert_event("after kafka was away", label_alertname="2"))
            eventually(lambda: ("after kafka was away", "firing") in told(hook), 40)
            assert notifier.stop() < 5
        # kafka-python logs tracebacks of its own; none leads through our code.
        assert "consumers/notifier" not in notifier.log.read_text()


def test_when_redis_was_emptied_the_open_incident_still_ends(
    alerts, configure, tmp_path, redis_server, prefix
):
    import redis

    plain = redis.Redis.from_url(redis_server.url)
    with HttpReceiver() as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        with Process(tmp_path) as notifier:
            eventually(lambda: "reading alerts from" in notifier.log.read_text())
            alerts(alert_event("i1"), alert_event("i2", label_alertname="2"))
            alerts(alert_event("i2", "resolved", label_alertname="2"))
            eventually(lambda: len(told(hook)) == 3)
            plain.delete(*plain.scan_iter(f"{prefix}*"))
            eventually(lambda: "came back without" in notifier.log.read_text())
            alerts(alert_event("i1", "resolved"))
            eventually(lambda: ("i1", "resolved") in told(hook))
    plain.close()
    # What was told before may come again, but only with the id that it had.
    ids = {}
    for post in hook.posts:
        (alert,) = json.loads(post.body)["alerts"]
        key = (alert["incident"], alert["event"]["status"])
        assert ids.setdefault(key, post.headers["webhook-id"]) == post.headers["webhook-id"]


def test_it_waits_for_a_topic_that_is_not_there_and_still_ends_at_once(
    configure, tmp_path, real_kafka
):
    configure([{"name": "ops", "console_configs": [{}]}])
    with Process(tmp_path) as notifier:
        eventually(lambda: "inferwatch topics create" in notifier.log.read_text())
        assert notifier.stop() < 5


def test_it_ends_at_once_while_the_broker_hangs(alerts, configure, tmp_path, real_kafka):
    with HttpReceiver(lambda n: Answer(wait_s=30)) as hook:
        configure([{"name": "ops", "webhook_configs": [{"url": hook.url}]}])
        with Process(tmp_path) as notifier:
            eventually(lambda: "reading alerts from" in notifier.log.read_text())
            alerts(alert_event("i1"))
            eventually(lambda: hook.posts)
            real_kafka.pause()
            try:
                assert notifier.stop() < 5
            finally:
                real_kafka.resume()
