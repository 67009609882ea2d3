"""Each of our services in docker-compose.yml, started with its own command and environment.

No container engine is needed: host names become the addresses of this run's Kafka and Redis, ports
become free ones, and mounted files are copies; nothing else of the file changes.
"""

import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request

import pytest
from alert_story import alert_event
from compose_file import REPOSITORY, read_services
from eventually import eventually
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition
from kafka_server import free_ports

from inferwatch.supervisor import Program, Supervisor

pytestmark = [pytest.mark.broker, pytest.mark.slow]

START_S = 90
FLIGHT = {
    "dep_delay": ("FP64", 12.0),
    "distance": ("FP64", 1400.0),
    "hour": ("INT64", 8),
    "carrier": ("BYTES", "UA"),
    "origin": ("BYTES", "EWR"),
}


class System:
    """The services of the file under one supervisor."""

    def __init__(self, supervisor, folder, bootstrap, redis_address):
        self.supervisor = supervisor
        self.folder = folder
        self.services = read_services()
        ports = free_ports(5)
        self.dashboard, self.model, self.proxy, self.admin, self.alertmanager = (
            f"127.0.0.1:{port}" for port in ports
        )
        self.addresses = {
            "kafka:19092": bootstrap,
            "redis:6379": redis_address,
            "alertmanager:9093": self.alertmanager,
            "0.0.0.0:8088": self.dashboard.replace("127.0.0.1", "0.0.0.0"),
            "0.0.0.0:9000": self.proxy,
            "127.0.0.1:9001": self.admin,
            "127.0.0.1:8080": self.model,
        }

    def program(self, name):
        addresses = self.addresses
        if name == "model-server":
            addresses = {"8080": self.model.split(":")[1]}
        return self.services[name].program(addresses, self.folder, self.log(name))

    def log(self, name):
        return self.folder / f"{name}.log"

    def start(self, name, check):
        self.supervisor.start(self.program(name))
        self.supervisor.wait_ready(check, START_S, what=name)

    def said(self, name, text):
        return lambda: self.log(name).exists() and text in self.log(name).read_text()


def get(address, path, **headers):
    """Status and body; None while nobody listens."""
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return None, b""


def test_our_services_come_up_as_the_file_says(real_kafka, redis_server, prefix, tmp_path):
    redis_address = re.sub(r"redis://|/0", "", redis_server.url)
    with Supervisor() as supervisor:
        system = System(supervisor, tmp_path, real_kafka.bootstrap, redis_address)
        for _ in range(2):  # again, as `docker compose up` does on the second day
            supervisor.complete(system.program("topics-create"), START_S)
        system.start("model-server", lambda: get(system.model, "/v2/health/ready")[0] == 200)
        system.start("worker", system.said("worker", "working"))
        system.start("notifier", system.said("notifier", "reading alerts"))
        system.start("sidecar", lambda: get(system.admin, "/readyz")[0] == 200)
        system.start("dashboard", lambda: get(system.dashboard, "/healthz")[0] == 200)

        token = (REPOSITORY / "deploy" / "dashboard-token").read_text().strip()
        assert get(system.dashboard, "/api/v1/models")[0] == 401
        assert get(system.dashboard, "/api/v1/models", Authorization=f"Bearer {token}")[0] == 200

        before = predictions(real_kafka.bootstrap)
        assert infer(system.proxy)["model_name"] == "flight-delay"
        eventually(lambda: predictions(real_kafka.bootstrap) > before)

        if start_alertmanager(system):
            event = alert_event(f"compose-{prefix}", at=int(time.time() * 1000))
            publish_alert(real_kafka.bootstrap, event)
            eventually(lambda: event["summary"] in known_alerts(system.alertmanager))
        assert supervisor.tend() == []


def infer(address):
    inputs = [
        {"name": name, "datatype": kind, "shape": [1], "data": [value]}
        for name, (kind, value) in FLIGHT.items()
    ]
    request = urllib.request.Request(
        f"http://{address}/v2/models/flight-delay/infer",
        data=json.dumps({"id": "compose-1", "inputs": inputs}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def start_alertmanager(system):
    """Debian's Alertmanager with the file's config; False where there is none."""
    found = shutil.which("prometheus-alertmanager")
    if found is None:
        assert os.environ.get("CI") != "true", "CI needs prometheus-alertmanager"
        return False
    argv = (
        found,
        f"--config.file={REPOSITORY / 'deploy' / 'alertmanager.yml'}",
        f"--storage.path={system.folder / 'alertmanager'}",
        f"--web.listen-address={system.alertmanager}",
        "--cluster.listen-address=",
    )
    system.supervisor.start(Program("alertmanager", argv, log=system.log("alertmanager")))
    system.supervisor.wait_ready(lambda: get(system.alertmanager, "/-/ready")[0] == 200, START_S)
    return True


def publish_alert(bootstrap, event):
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    key = event["fingerprint"].encode()
    producer.send("monitoring.alerts", json.dumps(event).encode(), key).get(timeout=20)
    producer.close()


def known_alerts(address):
    _, body = get(address, "/api/v2/alerts")
    return body.decode()


def predictions(bootstrap):
    """How many records the predictions topic has had."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    partitions = [TopicPartition("inference.predictions", number) for number in range(4)]
    try:
        return sum(consumer.end_offsets(partitions).values())
    finally:
        consumer.close()
