"""Opsgenie: what leaves fits the alert API, and means one Opsgenie alert an incident."""

import pytest
from alert_story import BEGIN, alert_event
from messages import channel, message
from opsgenie_api import KEY, OpsgenieApi

from consumers.notifier.channels.interface import Permanent, Retryable


@pytest.fixture
def api():
    with OpsgenieApi() as api:
        yield api


async def send(api: OpsgenieApi, *events: dict, **config) -> str:
    async with channel("opsgenie", **{"api_key": KEY, "api_url": api.url, **config}) as made:
        return (await made.send(message(*events), BEGIN)).detail


async def test_an_incident_is_one_alert_that_its_end_closes(api):
    for _ in range(2):
        assert await send(api, alert_event("i1", summary="fraud is slow")) == "1 opened, 0 closed"
    assert await send(api, alert_event("i2"), alert_event("i1", "resolved")) == "1 opened, 1 closed"
    assert {a: (x["status"], x["count"]) for a, x in api.alerts.items()} == {
        "i1": ("closed", 2),
        "i2": ("open", 1),
    }
    request = api.alerts["i1"]["request"]
    assert request["message"] == "PAGE firing: fraud is slow"
    assert request["entity"] == "fraud"
    assert request["details"]["alertname"] == "slow"
    assert "latency.p99_ms: 300, threshold 250, 100 rows" in request["description"]


async def test_alerts_that_are_too_large_are_taken_at_the_first_try_and_closed(api):
    incident = "a/b?c " + "é" * 700
    event = alert_event(
        incident,
        summary="drift in feature 🦆\n" * 500,
        evidence=[{"text": "y" * 100_000, "metric": "features.x.psi"}],
        model="m" * 2000,
        label_big="z" * 9000,
        **{f"label_n{n}": "x" * 100 for n in range(200)},
    )
    await send(api, event)
    ((alias, alert),) = api.alerts.items()
    assert len(alias) == 64
    assert len(alert["request"]["message"]) == 130
    await send(api, {**event, "status": "resolved", "ends_at": BEGIN + 1})
    assert api.alerts[alias]["status"] == "closed"


async def test_an_alias_is_quoted_in_the_address(api):
    await send(api, alert_event("a/b?c#d é"))
    await send(api, alert_event("a/b?c#d é", "resolved"))
    assert api.alerts["a/b?c#d é"]["status"] == "closed"


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        ({}, "priority", "P1"),
        ({"priority": "P2"}, "priority", "P2"),
        ({}, "tags", []),
        ({"tags": "ml, risk,"}, "tags", ["ml", "risk"]),
        ({}, "source", "inferwatch"),
        ({"source": "eu"}, "source", "eu"),
        (
            {"responders": [{"type": "team", "name": "risk"}]},
            "responders",
            [{"type": "team", "name": "risk"}],
        ),
        (
            {"responders": [{"type": "schedule", "id": "4513b7ea"}]},
            "responders",
            [{"type": "schedule", "id": "4513b7ea"}],
        ),
        (
            {"responders": [{"type": "user", "username": "ann@example.org"}]},
            "responders",
            [{"type": "user", "username": "ann@example.org"}],
        ),
    ],
)
async def test_each_key_changes_what_is_asked_for(api, config, field, value):
    await send(api, alert_event("i1"), **config)
    assert api.alerts["i1"]["request"][field] == value


@pytest.mark.parametrize(
    ("severity", "priority"), [("page", "P1"), ("ticket", "P3"), ("info", "P5")]
)
async def test_a_severity_is_a_priority(api, severity, priority):
    await send(api, alert_event("i1", label_severity=severity))
    assert api.alerts["i1"]["request"]["priority"] == priority


async def test_a_wrong_key_is_final_and_not_told(api):
    with pytest.raises(Permanent, match="^HTTP 401$"):
        await send(api, alert_event("i1"), api_key="wrong-key")
    assert api.alerts == {}


async def test_the_wait_of_its_own_header_is_heard(api):
    api.busy_s = 42
    with pytest.raises(Retryable) as failure:
        await send(api, alert_event("i1"))
    assert failure.value.retry_after_ms == 42_000
