import asyncio
import json
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from results import MINUTE, START, alert, stretch, window

from consumers.dashboard.downsample import aggregation
from inferwatch.events.alert import Status
from inferwatch.events.json_codec import window_to_dict

HOSTILE = '<script>alert("1")</script>/../?&#%\u202e"\''
AT = {"model": "flight-delay", "version": "7", "window": "1m"}


async def get(client, path: str, expected: int = 200, **parameters):
    answer = await client.get(f"/api/v1/{path}", params=parameters)
    assert answer.status == expected, await answer.text()
    assert answer.content_type == "application/json"
    return await answer.json()


async def test_models_show_the_newest_numbers_and_a_trail(fed, serve) -> None:
    results = list(stretch(70))
    await fed.take(*results, window(segment="carrier=UA"), window(version="8"), alert())
    client = await serve()
    models = (await get(client, "models"))["models"]
    assert [(m["version"], m["segment"], m["firing"]) for m in models] == [
        ("7", None, 1),
        ("8", None, 0),
    ]
    latest = models[0]["latest"]
    assert latest["rows"] == results[-1].rows
    assert latest["quality"] == results[-1].quality.accuracy
    assert latest["p95_ms"] == results[-1].latency.p95_ms
    assert models[0]["trail"]["start"] == [r.start for r in results[-60:]]
    one = await get(client, "models", model="flight-delay")
    assert one["versions"][0]["segments"] == ["", "carrier=UA"]
    assert one["versions"][0]["windows"] == ["1m"]


async def test_a_series_is_ready_to_be_plotted(fed, serve) -> None:
    results = list(stretch(500, incident=True))
    await fed.take(*results)
    client = await serve()
    full = await get(client, "series", **AT, points=1000, metric="quality.accuracy")
    assert full["at"] == [r.start for r in results]
    assert full["metrics"] == {"quality.accuracy": [r.quality.accuracy for r in results]}
    few = await get(client, "series", **AT, points=50, metric="quality.*")
    assert len(few["at"]) <= 50
    assert few["step_ms"] == 10 * MINUTE
    assert min(few["metrics"]["quality.accuracy"]) == min(r.quality.accuracy for r in results)
    assert {"quality.accuracy_low", "quality.accuracy_high", "quality.f1"} <= set(few["metrics"])
    assert few["aggregation"]["quality.accuracy"] == aggregation("quality.accuracy") == "min"
    drift = await get(client, "series", **AT, metric="features.*.psi")
    assert sorted(drift["metrics"]) == sorted(f"features.{n}.psi" for n in results[0].features)
    part = await get(client, "series", **AT, metric="rows", last="10m")
    assert len(part["at"]) == 10
    ends = {"from": results[5].start, "to": results[7].start}
    part = await get(client, "series", **AT, metric="rows", **ends)
    assert part["metrics"]["rows"] == [r.rows for r in results[5:8]]
    nothing = await get(client, "series", **AT, metric="no.such.metric")
    assert nothing["metrics"] == {}


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"metric": "rows"}, "model is missing"),
        ({**AT}, "metric is missing"),
        ({**AT, "window": "soon", "metric": "rows"}, "window"),
        ({**AT, "metric": "rows", "points": "0"}, "points"),
        ({**AT, "metric": "rows", "points": "1e9"}, "points"),
        ({**AT, "metric": "rows", "from": "yesterday"}, "from"),
        ({**AT, "metric": "rows", "last": "long"}, "last"),
    ],
)
async def test_a_wrong_parameter_is_named(fed, serve, wrong, word) -> None:
    await fed.take(window())
    answer = await get(await serve(), "series", 400, **wrong)
    assert word in answer["error"]


async def test_what_is_not_there_is_a_404_that_says_where_to_look(fed, serve) -> None:
    client = await serve()
    assert "api/v1/models" in (await get(client, "series", 404, **AT, metric="rows"))["error"]
    assert "api/v1/models" in (await get(client, "models", 404, model="x"))["error"]
    assert "api/v1/incidents" in (await get(client, "incidents/x", 404))["error"]


async def test_latest_results_are_whole(fed, serve) -> None:
    results = [window(0), window(1), window(1, segment="carrier=UA"), window(0, model="other")]
    await fed.take(*results)
    client = await serve()
    assert (await get(client, "windows/latest", model="flight-delay")) == {
        "total": 1,
        "windows": [window_to_dict(results[1])],
    }
    assert (await get(client, "windows/latest", segment="*"))["total"] == 3
    assert (await get(client, "windows/latest", segment="carrier=UA"))["total"] == 1
    limited = await get(client, "windows/latest", segment="*", limit="2")
    assert (limited["total"], len(limited["windows"])) == (3, 2)


async def test_incidents_by_status(fed, serve) -> None:
    await fed.take(
        alert(incident="a"),
        alert(incident="b", starts_at=START + 9),
        alert(incident="b", starts_at=START + 9, status=Status.RESOLVED, updated_at=START + 90),
    )
    client = await serve()

    async def ids(**parameters) -> list[str]:
        found = await get(client, "incidents", **parameters)
        return [i["incident"] for i in found["incidents"]]

    assert await ids() == ["a", "b"]
    assert await ids(status="firing") == ["a"]
    assert await ids(status="resolved") == ["b"]
    assert await ids(status="corrected") == []
    assert await ids(model="other") == []
    assert "allowed are" in (await get(client, "incidents", 400, status="new"))["error"]
    one = await get(client, "incidents/b")
    assert [t["status"] for t in one["transitions"]] == ["firing", "resolved"]
    assert one["causes"][0]["cause"] == "unit_change"
    assert one["ends_at"] == START + 90


async def test_hostile_names_pass_unchanged(fed, serve) -> None:
    named = replace(
        window(model=HOSTILE, version=HOSTILE, segment=f"k={HOSTILE}"),
        features={HOSTILE: window().features["dep_delay"]},
    )
    await fed.take(named, replace(named, segment=None), alert(incident=HOSTILE, model=HOSTILE))
    client = await serve()
    assert (await get(client, "models"))["models"][0]["model"] == HOSTILE
    metric = f"features.{HOSTILE}.psi"
    at = {"model": HOSTILE, "version": HOSTILE, "window": "1m", "segment": f"k={HOSTILE}"}
    series = await get(client, "series", **at, metric=metric)
    assert series["metrics"][metric] == [named.features[HOSTILE].psi]
    assert (await get(client, "incidents"))["incidents"][0]["incident"] == HOSTILE
    text = await (await client.get("/metrics")).text()
    assert 'model="<script>alert(\\"1\\")</script>' in text
    assert len([line for line in text.splitlines() if not line]) == 0


async def test_status_and_readiness(fed, serve) -> None:
    client = await serve()
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 503
    assert (await get(client, "status"))["newest_window_end"] is None
    fed.folder.caught_up, fed.folder.trouble = True, None
    await fed.take(replace(window(), rows=90, lost=10), alert())
    assert (await client.get("/readyz")).status == 200
    status = await get(client, "status")
    assert status["completeness"] == 0.9
    assert status["firing"] == {"page": 1, "ticket": 0, "info": 0}
    assert status["newest_window_end"] == START + MINUTE


async def test_metrics_are_prometheus_text(fed, serve) -> None:
    result = window()
    await fed.take(result, window(segment="carrier=UA"), alert())
    fed.folder.lag = {("monitoring.windows", 2): 7}
    answer = await (await serve()).get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = (await answer.text()).splitlines()
    labels = 'model="flight-delay",version="7",window="1m"'
    p95 = f'inferwatch_dashboard_latency_seconds{{{labels},quantile="0.95"}} '
    (line,) = [x for x in lines if x.startswith(p95)]
    assert float(line.split()[-1]) == pytest.approx(result.latency.p95_ms / 1000)
    assert f"inferwatch_dashboard_window_rows{{{labels}}} {result.rows}" in lines
    assert any(x.startswith("inferwatch_dashboard_firing_incidents{") for x in lines)
    lag = 'inferwatch_dashboard_lag_records{topic="monitoring.windows",partition="2"} 7'
    assert lag in lines
    names = {x.split("{")[0].split(" ")[0] for x in lines if not x.startswith("#")}
    assert all(name.startswith("inferwatch_dashboard_") for name in names)


async def test_redis_that_is_away_is_a_503(fed, serve) -> None:
    await fed.take(window())
    client = await serve()
    fed.store._redis = Redis.from_url("redis://127.0.0.1:1/0", retry=None)
    answer = await get(client, "series", 503, **AT, metric="rows")
    assert "Redis" in answer["error"]
    assert (await get(client, "models"))["models"], "what is in memory is still shown"


async def read_event(stream) -> tuple[str, str, dict]:
    fields = {}
    while True:
        line = (await asyncio.wait_for(stream.readline(), 5)).decode().rstrip("\n")
        if not line and "event" in fields:
            return fields["id"], fields["event"], json.loads(fields["data"])
        name, _, value = line.partition(": ")
        fields[name] = value


async def test_events_arrive_and_are_resumed(fed, serve) -> None:
    client = await serve()
    async with client.get("/api/v1/events") as answer:
        assert answer.content_type == "text/event-stream"
        first, name, _ = await read_event(answer.content)
        assert name == "hello"
        await fed.take(window(0))
        _, name, data = await read_event(answer.content)
        assert (name, data["changed"], data["step"]["rows"]) == ("window", START, window(0).rows)
    await fed.take(window(1), alert())
    async with client.get("/api/v1/events", headers={"Last-Event-ID": first}) as answer:
        names = [(await read_event(answer.content))[1] for _ in range(3)]
        assert names == ["window", "window", "incident"]
    async with client.get("/api/v1/events", headers={"Last-Event-ID": "other-1"}) as answer:
        assert (await read_event(answer.content))[1] == "reset"


async def test_a_browser_that_does_not_read_is_told_to_fetch_anew() -> None:
    from consumers.dashboard.event_log import EventLog

    events = EventLog(kept=10, waiting=3)
    with events.listen(None) as slow, events.listen(None) as quick:
        assert quick.get_nowait().name == "hello"
        for number in range(4):
            events.publish("window", {"n": number})
            if number < 3:
                assert quick.get_nowait().name == "window"
        assert quick.get_nowait().name == "window"
        # hello and two windows filled it; the third emptied it
        assert [slow.get_nowait().name for _ in range(2)] == ["reset", "window"]
    assert events.listeners == 0
