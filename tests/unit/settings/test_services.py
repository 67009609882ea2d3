"""How clients of Kafka and Redis are made from the config, and what is said when none answers."""

import pytest
import redis

from inferwatch import store
from inferwatch.broker import kafka_options, reach_broker
from inferwatch.errors import ServiceUnreachableError, UsageError
from inferwatch.settings import load
from inferwatch.settings.services import BrokerSettings, RedisSettings


def options(text):
    return kafka_options(load("f", text=f"broker: {text}").broker)


def test_a_plain_broker_needs_its_addresses_only():
    assert options("{url: 'kafka://a:1,b:2'}") == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }


def test_a_login_over_tls_takes_all_its_parts():
    found = options(
        "{url: a, security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: u, "
        "password: p, ca_file: ca, cert_file: c, key_file: k, key_password: kp, "
        "verify_hostname: false}}"
    )
    assert found == {
        "bootstrap_servers": ["a:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
        "ssl_check_hostname": False,
        "ssl_cafile": "ca",
        "ssl_certfile": "c",
        "ssl_keyfile": "k",
        "ssl_password": "kp",
    }


def test_the_mock_cluster_is_spoken_to_in_its_own_version():
    assert options("{url: a, api_version: '2.3'}")["api_version"] == (2, 3)


@pytest.mark.parametrize(
    ("url", "bootstrap"),
    [
        ("localhost", ["localhost:9092"]),
        ("localhost:1", ["localhost:1"]),
        ("kafka://a,b:2/", ["a:9092", "b:2"]),
        ("kafka://[::1]:9093", ["[::1]:9093"]),
        ("[::1]", ["[::1]:9092"]),
        ("embedded", []),
    ],
)
def test_an_address_may_leave_out_scheme_and_port(url, bootstrap):
    assert BrokerSettings(url=url).bootstrap == bootstrap


def test_an_embedded_service_has_no_address_outside_of_up():
    with pytest.raises(UsageError, match="inferwatch up"):
        kafka_options(BrokerSettings(url="embedded"))
    for connect in (store.connect, store.connect_async):
        with pytest.raises(UsageError, match="inferwatch up"):
            connect(RedisSettings(url="embedded"))


def test_no_broker_is_one_line_that_says_what_was_tried_and_how_to_start_one(free_port):
    settings = load("f", text=f"broker: {{url: 'kafka://127.0.0.1:{free_port}'}}")
    with pytest.raises(ServiceUnreachableError) as raised:
        reach_broker(settings, timeout_s=0.2)
    told = str(raised.value)
    assert f"no answer from 127.0.0.1:{free_port} (PLAINTEXT) within 0.2 s" in told
    assert "start one with" in told
    assert "\n" not in told


def test_no_redis_is_one_line_without_the_password(free_port):
    settings = load("f", text=f"redis: {{url: 'redis://u:secret@127.0.0.1:{free_port}/0'}}")
    with pytest.raises(ServiceUnreachableError) as raised:
        store.reach_redis(settings)
    told = str(raised.value)
    assert f"no answer from redis://127.0.0.1:{free_port}/0" in told
    assert "Connection refused" in told
    assert "secret" not in told
    assert "\n" not in told


def test_a_redis_client_has_the_login_and_the_database_of_the_config():
    made = store.connect(
        RedisSettings.model_validate(
            {"url": "rediss://h:1/3", "username": "u", "password": "p", "ca_file": "ca.pem"}
        )
    )
    found = made.connection_pool.connection_kwargs
    assert (found["host"], found["port"], found["db"]) == ("h", 1, 3)
    assert (found["username"], found["password"], found["ssl_ca_certs"]) == ("u", "p", "ca.pem")
    assert made.connection_pool.connection_class is redis.SSLConnection


def test_behind_sentinel_the_primary_is_asked_for_by_name():
    for connect in (store.connect, store.connect_async):
        made = connect(RedisSettings(url="redis://h:26379/2", sentinel="mymaster"))
        assert made.connection_pool.service_name == "mymaster"
        assert made.connection_pool.connection_kwargs["db"] == 2


@pytest.fixture
def free_port():
    """A port at which nobody answers."""
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
