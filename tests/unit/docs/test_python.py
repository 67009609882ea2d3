"""The Python of the pages and of the examples runs as it stands there, and tells what it says."""

import json
import re

import pytest
from pages import PAGES, REPOSITORY, fences
from sdk_rig import end_asgi, play_asgi
from sidecar_rig import KeepingBroker

from inferwatch.events.kinds import Kind

FENCES = {str(f): f.text for page in PAGES for f in fences(page) if f.language == "python"}
EXAMPLES = {path.name: path.read_text() for path in sorted((REPOSITORY / "examples").glob("*.py"))}


class Ran:
    """A program that was run before a broker that keeps what it is given."""

    def __init__(self, text):
        self.broker = KeepingBroker()
        # The only thing that is changed: where the events go.
        changed, count = re.subn(r"broker=[\w.\"':]+", "connect=KEEPING.connect", text)
        assert count == 1
        self.names = {"KEEPING": self.broker, "__name__": "example"}
        exec(compile(changed, "example", "exec"), self.names)

    def rows(self, kind, monitor):
        assert monitor.flush(10)
        return self.broker.rows(kind)


async def posted(app, path, body):
    """The answer of an ASGI application's server, which then ends: that sends what there was."""
    headers = [("Content-Type", "application/json")]
    begun, *pieces = await play_asgi(app, "POST", path, headers, json.dumps(body).encode())
    assert begun["status"] == 200
    await end_asgi(app)
    return json.loads(b"".join(piece.get("body", b"") for piece in pieces))


def the_fence(word):
    (text,) = (text for text in FENCES.values() if word in text)
    return Ran(text)


def test_every_fence_is_run_here():
    words = ("FastAPI()", 'Flask("fraud")', "monitor.log(")
    assert len(FENCES) == len(words)
    assert all(sum(word in text for text in FENCES.values()) == 1 for word in words)


async def test_the_fence_of_fastapi():
    ran = the_fence("FastAPI()")
    app = ran.names["app"]

    @app.post("/predict")
    def predict(_body: dict):
        return {"label": "legit"}

    await posted(app, "/predict", {"id": "a", "features": {"x": 1}})
    (row,) = ran.broker.rows(Kind.PREDICTION)
    assert (row["id"], row["features.x"], row["prediction"]) == ("a", 1.0, "legit")


def test_the_fence_of_flask():
    app = the_fence('Flask("fraud")').names["app"]
    assert b"404" in app.test_client().post("/v1/models/fraud:predict", json={}).data
    assert 'requests_total{status="4xx"} 1' in app.wsgi_app.monitor.metrics()
    app.wsgi_app.monitor.close()


def test_the_fence_of_the_monitor():
    ran = the_fence("monitor.log(")
    assert ran.names["predict"]({"amount": 5_000}) == "fraud"
    monitor = ran.names["monitor"]
    first, second = ran.rows(Kind.PREDICTION, monitor)
    assert (first["id"], first["prediction"], first["scores.fraud"]) == ("01JD7", "legit", 0.07)
    assert (second["features.amount"], second["prediction"]) == (5_000.0, "fraud")
    assert [row["label"] for row in ran.rows(Kind.LABEL, monitor)] == ["fraud"]
    assert len(ran.rows(Kind.LATENCY, monitor)) == 1
    monitor.close()


async def test_the_example_of_fastapi():
    ran = Ran(EXAMPLES["fastapi_server.py"])
    features = {"amount": 900.0, "country": "DE", "email": "a@b.c"}
    answer = await posted(ran.names["app"], "/predict", {"id": "a", "features": features})
    assert answer["label"] == "fraud"
    (row,) = ran.broker.rows(Kind.PREDICTION)
    assert (row["model"], row["version"], row["id"], row["prediction"]) == (
        *("fraud", "7", "a", "fraud"),
    )
    assert row["scores.fraud"] == 0.9
    assert "features.email" not in row


def test_the_example_of_flask():
    ran = Ran(EXAMPLES["flask_server.py"])
    app = ran.names["app"]
    body = {"instances": [{"amount": 12.5}, {"amount": 700}]}
    answer = app.test_client().post("/v1/models/fraud:predict", json=body)
    assert answer.data == b'{"predictions":["legit","fraud"]}\n'
    rows = ran.rows(Kind.PREDICTION, app.wsgi_app.monitor)
    assert [row["prediction"] for row in rows] == ["legit", "fraud"]
    app.wsgi_app.monitor.close()


def test_the_example_of_a_batch_job(capsys):
    ran = Ran(EXAMPLES["batch_job.py"])
    assert capsys.readouterr().out == "7 events published, 0 dropped\n"
    rows = ran.broker.rows(Kind.PREDICTION)
    assert [row["segment.country"] for row in rows] == ["DE", "FR", "DE"]


def test_there_is_no_example_without_a_test():
    assert set(EXAMPLES) == {"fastapi_server.py", "flask_server.py", "batch_job.py"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short(name):
    assert EXAMPLES[name].count("\n") < 60
