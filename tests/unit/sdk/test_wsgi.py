"""The WSGI middleware: what the application reads and answers passes as it is."""

import io
import wsgiref.util
import wsgiref.validate

import pytest
from flask import Flask, Response, request
from sdk_rig import play_wsgi, told

from producers.sdk.wsgi import WsgiMiddleware

PREDICT = ("POST", "/v1/models/m:predict", [("Content-Type", "application/json")])
BODY = b'{"instances":\n [[1.5, "x"]]}'
ANSWER = b'{"predictions": ["a"]}'
HEADERS = [("Content-Type", "application/json")]


def answering(answer, read=lambda stream: stream.read()):
    def app(environ, start_response):
        assert read(environ["wsgi.input"]) == BODY
        start_response("200 OK", HEADERS)
        return answer

    return app


def pieces():
    yield ANSWER[:7]
    yield ANSWER[7:]


class Sized:
    """No list, and it knows its length."""

    def __len__(self):
        return 1

    def __iter__(self):
        return iter([ANSWER])


def into(stream):
    """Read as Werkzeug does."""
    body, buffer = b"", bytearray(6)
    while size := stream.readinto(buffer):
        body += buffer[:size]
    return body


@pytest.mark.parametrize(
    "answer",
    [[ANSWER], (ANSWER[:7], ANSWER[7:]), pieces, io.BytesIO(ANSWER), Sized()],
    ids=lambda answer: type(answer).__name__,
)
def test_an_answer_of_any_form_passes_and_is_read(answer):
    with told() as subject:
        app = WsgiMiddleware(answering(answer() if callable(answer) else answer), subject.monitor)
        status, headers, passed = play_wsgi(app, *PREDICT, BODY)
        (row,) = subject.predictions
        assert [r["status"] for r in subject.latencies] == [200]
    assert (status, headers, b"".join(passed)) == ("200 OK", HEADERS, ANSWER)
    assert (row["prediction"], row["features.f0"], row["features.f1"]) == ("a", 1.5, "x")


def test_a_list_stays_the_list_that_it_was():
    # Servers count its length, and set the Content-Length of a single piece.
    answer = [ANSWER]
    with told() as subject:
        app = WsgiMiddleware(answering(answer), subject.monitor)
        environ = {**environ_of(BODY)}
        assert app(environ, lambda *_: None) is answer


def test_a_length_that_is_known_stays_known():
    with told() as subject:
        app = WsgiMiddleware(answering(Sized()), subject.monitor)
        assert len(app(environ_of(BODY), lambda *_: None)) == 1


def environ_of(body):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/models/m:predict",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    wsgiref.util.setup_testing_defaults(environ)
    return environ


def test_a_file_keeps_the_servers_own_way():
    environ = environ_of(BODY) | {"wsgi.file_wrapper": wsgiref.util.FileWrapper}
    answer = wsgiref.util.FileWrapper(io.BytesIO(ANSWER))
    with told() as subject:
        assert WsgiMiddleware(answering(answer), subject.monitor)(environ, print) is answer
        assert [row["status"] for row in subject.latencies] == [200]
        assert subject.predictions == []


@pytest.mark.parametrize(
    "read",
    [
        lambda stream: stream.read(len(BODY)),
        lambda stream: stream.read(3) + stream.read(),
        lambda stream: stream.readline() + stream.readline(),
        lambda stream: b"".join(stream.readlines()),
        lambda stream: b"".join(stream),
        lambda stream: b"".join(iter(lambda: stream.read(4), b"")),
        lambda stream: b"".join(iter(lambda: stream.read1(5), b"")),
        lambda stream: into(stream),
    ],
)
def test_a_request_is_read_however_the_application_reads(read):
    with told() as subject:
        play_wsgi(WsgiMiddleware(answering([ANSWER], read), subject.monitor), *PREDICT, BODY)
        assert [row["features.f1"] for row in subject.predictions] == ["x"]
        assert [row["request_bytes"] for row in subject.latencies] == [len(BODY)]


def test_the_writer_of_old_is_followed_too():
    def app(environ, start_response):
        environ["wsgi.input"].read()
        write = start_response("200 OK", HEADERS)
        write(ANSWER)
        return []

    with told() as subject:
        _, _, passed = play_wsgi(WsgiMiddleware(app, subject.monitor), *PREDICT, BODY)
        assert len(subject.predictions) == 1
    assert passed == [ANSWER]


def fails_at_once(environ, start_response):
    environ["wsgi.input"].read()
    raise LookupError("its own")


def fails_later(environ, start_response):
    environ["wsgi.input"].read()
    start_response("200 OK", HEADERS)
    yield ANSWER[:7]
    raise LookupError("its own")


@pytest.mark.parametrize(
    ("app", "status", "error"),
    [(fails_at_once, 500, "upstream_5xx"), (fails_later, 200, "upstream_truncated")],
)
def test_a_failure_of_the_application_passes_on(app, status, error):
    with told() as subject:
        with pytest.raises(LookupError, match="its own"):
            play_wsgi(WsgiMiddleware(app, subject.monitor), *PREDICT, BODY)
        (latency,) = subject.latencies
    assert (latency["status"], latency["error"]) == (status, error)


def test_a_client_that_goes_away_is_499_and_the_answer_is_closed():
    closed = []

    class Answer:
        def __iter__(self):
            return pieces()

        def close(self):
            closed.append(True)

    with told() as subject:
        app = WsgiMiddleware(answering(Answer()), subject.monitor)
        play_wsgi(app, *PREDICT, BODY, stop_after=1)
        (latency,) = subject.latencies
    assert (latency["status"], latency["error"], closed) == (499, "client_closed", [True])


def test_it_keeps_to_the_standard():
    def app(environ, start_response):
        environ["wsgi.input"].read(len(BODY))
        start_response("200 OK", HEADERS)
        return iter([ANSWER])

    with told() as subject:
        between = WsgiMiddleware(wsgiref.validate.validator(app), subject.monitor)
        outside = wsgiref.validate.validator(between)
        assert b"".join(run_strictly(outside)) == ANSWER
        assert len(subject.predictions) == 1


def run_strictly(app):
    answer = app(environ_of(BODY) | {"SCRIPT_NAME": ""}, lambda *_: lambda _piece: None)
    try:
        yield from answer
    finally:
        answer.close()


def test_a_flask_application_answers_the_same_with_it():
    app = Flask(__name__)

    @app.post("/v1/models/<name>:predict")
    def predict(name):
        return {"predictions": [len(request.get_json()["instances"])], "model": name}

    @app.post("/v1/models/<name>/stream")
    def other(name):
        return Response(pieces(), mimetype="text/plain")

    with told() as subject:
        client, answers = app.test_client(), []
        for wrapped in (False, True):
            if wrapped:
                app.wsgi_app = WsgiMiddleware(app.wsgi_app, subject.monitor)
            for path in ("/v1/models/m:predict", "/v1/models/m/stream", "/nowhere"):
                done = client.post(path, data=BODY, content_type="application/json")
                answers.append((done.status, sorted(done.headers), done.data))
        assert answers[:3] == answers[3:]
        assert [row["prediction"] for row in subject.predictions] == [1.0]


def test_other_paths_are_not_touched():
    def app(environ, start_response):
        return environ["wsgi.input"], start_response

    environ = environ_of(b"") | {"PATH_INFO": "/docs"}
    before = environ["wsgi.input"]
    with told() as subject:
        assert WsgiMiddleware(app, subject.monitor)(environ, print) == (before, print)


def test_a_minted_id_is_the_answers():
    with told(mint_ids=True) as subject:
        app = WsgiMiddleware(answering([ANSWER]), subject.monitor)
        _, headers, _ = play_wsgi(app, *PREDICT, BODY)
        assert [row["id"] for row in subject.predictions] == [dict(headers)["X-Inference-Id"]]
    assert len(HEADERS) == 1
