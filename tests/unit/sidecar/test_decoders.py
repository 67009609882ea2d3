"""What the decoders make of bodies that the captures do not hold."""

import json

import pytest
from decoding_rig import decode
from sidecar_rig import answer, answering, post, rig

from inferwatch.events.kinds import Kind
from producers.sidecar.protocols.protocol import UndecodableError

CSV, LINES, JSON = (
    f"Content-Type: {media}" for media in ("text/csv", "application/jsonlines", "application/json")
)
ONE = json.dumps({"predictions": [1]}).encode()


def invoke(asked, answered=ONE, media=JSON, answer_media=JSON, path="/invocations", **options):
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    headers = (media, *options.pop("headers", ()))
    return decode("POST", path, body, answered, answer_media, headers=headers, **options)


# ---- MLflow and SageMaker


@pytest.mark.parametrize(
    ("asked", "names", "inputs"),
    [
        ({"dataframe_split": {"data": [[1, 2]]}}, None, [[1, 2]]),
        ({"dataframe_split": {"columns": [["a", "x"], "b"], "data": [[1, 2]]}}, ["a.x", "b"], None),
        ({"dataframe_records": [{"a": 1}, {"b": "t"}]}, ["a", "b"], [[1, None], [None, "t"]]),
        ({"inputs": {"a": [1, 2], "b": ["x", "y"]}}, ["a", "b"], [[1, "x"], [2, "y"]]),
        ({"inputs": {"x": [[1, 2], [3, 4]]}}, None, [[1, 2], [3, 4]]),
        ({"instances": [{"age": [39], "job": ["Private"]}]}, ["age", "job"], [[39, "Private"]]),
        ({"inputs": "a text"}, None, [["a text"]]),
    ],
)
def test_json_forms_of_mlflow(asked, names, inputs):
    count = len(inputs or [1])
    answered = json.dumps({"predictions": list(range(count))}).encode()
    decoded = invoke(asked, answered, protocol="mlflow")
    assert decoded.names == names
    assert decoded.inputs == (inputs or decoded.inputs)
    assert decoded.outputs == {"": list(range(count))}


def test_a_csv_of_mlflow_has_a_header_and_one_of_sagemaker_has_none():
    body = b"\xef\xbb\xbf7,8\n1,\n"
    mlflow = invoke(body, media=CSV, protocol="mlflow")
    assert (mlflow.names, mlflow.inputs) == (["7", "8"], [[1, None]])
    sagemaker = invoke(body, b"0\n1\n", CSV, CSV, protocol="sagemaker")
    assert (sagemaker.names, sagemaker.inputs) == (None, [[7, 8], [1, None]])
    assert sagemaker.outputs == {"": [0, 1]}


@pytest.mark.parametrize(
    ("body", "names", "rows"),
    [
        (b'"a, b",c\n1,"x ""y"""\n', ["a, b", "c"], [[1, 'x "y"']]),
        (b"1,2\r\n3,nan\r\n", None, 2),
        (b"only,text\n", None, [["only", "text"]]),
    ],
)
def test_a_csv_whose_protocol_is_not_told(body, names, rows):
    count = rows if isinstance(rows, int) else len(rows)
    decoded = invoke(body, b"\n".join([b"1"] * count), CSV, CSV)
    assert decoded.names == names
    assert decoded.rows == count
    assert rows == count or decoded.inputs == rows


def test_a_csv_of_texts():
    body = b"name,word\nx,y\n"
    assert invoke(body, b"1\n2\n", CSV, CSV, protocol="sagemaker").rows == 2
    assert invoke(body, b"1\n", CSV, CSV).names == ["name", "word"]


def test_json_lines_both_ways():
    asked = b'{"features": [1, 2]}\n{"features": [3, 4]}\n'
    answered = b'{"predicted_label": 0, "score": 0.2}\n{"predicted_label": 1, "score": 0.9}\n'
    decoded = invoke(asked, answered, LINES, LINES)
    assert (decoded.names, decoded.inputs) == (None, [[1, 2], [3, 4]])
    assert decoded.outputs == {"predicted_label": [0, 1], "score": [0.2, 0.9]}


def test_the_nested_form_of_sagemaker_and_its_target_model():
    asked = {"instances": [{"data": {"features": {"values": [1, 2]}}}]}
    decoded = invoke(asked, headers=("X-Amzn-SageMaker-Target-Model: team/iris.tar.gz",))
    assert (decoded.model, decoded.inputs) == ("iris", [[1, 2]])


@pytest.mark.parametrize(
    ("answered", "rows", "items"),
    [(b"0.1,0.9", 2, [0.1, 0.9]), (b"0.1,0.9\n", 1, [[0.1, 0.9]]), (b"0.1\n0.9", 2, [0.1, 0.9])],
)
def test_a_csv_answer_on_one_line_or_on_several(answered, rows, items):
    decoded = invoke(b"1,2\n" * rows, answered, CSV, CSV, protocol="sagemaker")
    assert decoded.outputs == {"": items}


def test_answers_of_hugging_face():
    answered = [{"label": "POSITIVE", "score": 0.9}, {"label": "NEGATIVE", "score": 0.7}]
    decoded = invoke({"inputs": ["a", "b"]}, json.dumps(answered).encode(), protocol="sagemaker")
    assert decoded.outputs == {
        "label": ["POSITIVE", "NEGATIVE"],
        "scores": [{"POSITIVE": 0.9}, {"NEGATIVE": 0.7}],
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]}", b'{"columns": []}', b"\xff", b"3"])
def test_what_no_server_would_take(body):
    with pytest.raises(UndecodableError):
        invoke(body)
    assert invoke(body, b"no", status=400).rows is None


# ---- Seldon


def seldon(asked, answered, path="/api/v1.0/predictions", **options):
    bodies = (json.dumps(b).encode() for b in (asked, answered))
    return decode("POST", path, *bodies, **options)


def test_payloads_of_seldon():
    answered = {"data": {"names": ["setosa", "other"], "ndarray": [[0.9, 0.1]]}}
    decoded = seldon({"jsonData": {"a": {"b": 1}}}, answered)
    assert (decoded.names, decoded.inputs) == (["a.b"], [[1]])
    assert decoded.outputs == {"": [{"setosa": 0.9, "other": 0.1}]}
    decoded = seldon({"strData": "text"}, {"strData": "class"})
    assert (decoded.inputs, decoded.outputs) == ([["text"]], {"": ["class"]})
    decoded = seldon({"binData": "aGk="}, {"data": {"ndarray": [[7]]}})
    assert (decoded.rows, decoded.outputs) == (1, {"": [7]})
    decoded = seldon(
        {"data": {"names": ["a", "b"], "ndarray": [1, 2]}}, {"data": {"ndarray": [0.2, 0.8]}}
    )
    assert (decoded.names, decoded.inputs) == (["a", "b"], [[1, 2]])
    assert decoded.outputs == {"": [[0.2, 0.8]]}


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("repo:5000/team/model:1.2", "1.2"),
        ("model", None),
        ("repo:5000/model", None),
        ("m:7@sha256:ab", "7"),
    ],
)
def test_the_version_of_seldon_is_the_tag_of_the_image(image, version):
    answered = {"data": {"ndarray": [1]}, "meta": {"puid": "p", "requestPath": {"node": image}}}
    decoded = seldon({"data": {"ndarray": [[1]]}}, answered)
    assert (decoded.model, decoded.version, decoded.id) == ("node", version, "p")


def test_a_failure_that_seldon_tells_with_a_status_of_success():
    answered = {"status": {"status": "FAILURE", "info": "boom"}}
    decoded = seldon({"data": {"ndarray": [[1]]}}, answered)
    assert (decoded.failure, decoded.error) == ("upstream_error", "boom")


def test_feedback_becomes_labels():
    told = {
        "request": {"data": {"names": ["amount", "email"], "ndarray": [[1, "e@x.org"], [2, "?"]]}},
        "response": {"meta": {"puid": "p-1"}},
        "truth": {"data": {"ndarray": [["fraud"], ["e@x.org"]]}},
        "reward": 1.0,
    }
    answered = answer(b"{}")
    with rig(answering(answered), sidecar={"redact": ["email"]}) as running:
        body = json.dumps(told).encode()
        running.exchange(post("/seldon/ns/m/api/v1.0/feedback", body), len(answered))
        (label,) = running.wait_for(Kind.LABEL)
        assert running.broker.rows(Kind.LATENCY) == []
        assert b"e@x.org" not in b"".join(b.payload for b in running.broker.batches)
    # The second one holds what must not be told.
    assert (label["id"], label["label"]) == ("p-1:0", "fraud")


def test_feedback_without_an_id_is_none():
    with pytest.raises(UndecodableError):
        seldon({"truth": {"data": {"ndarray": [1]}}}, {}, path="/api/v1.0/feedback")


# ---- TorchServe


@pytest.mark.parametrize(
    ("asked", "answered", "inputs", "outputs"),
    [
        (b"\x89PNG\0", b"tabby\n", [[]], {"": ["tabby"]}),
        (b"[[1, 2], [3, 4]]", b"[0, 1]", [[1, 2], [3, 4]], {"": [0, 1]}),
        (b'{"data": [1, 2]}', b"[0.1, 0.9]", [[1, 2]], {"": [[0.1, 0.9]]}),
        (b'{"data": [[1], [2]]}', b'[{"a": 0.9, "b": 0.1}, {"a": 0.2, "b": 0.8}]', None, None),
        (b'{"instances": [[1], [2]]}', b'{"predictions": [3, 4]}', [[1], [2]], {"": [3, 4]}),
        (b'{"a": 1}', b'{"label": "x", "p": 0.5}', [[1]], {"label": ["x"], "p": [0.5]}),
    ],
)
def test_bodies_of_torchserve(asked, answered, inputs, outputs):
    decoded = decode("POST", "/predictions/m/2.0", asked, answered)
    assert (decoded.model, decoded.version) == ("m", "2.0")
    assert decoded.inputs == (inputs or [[1], [2]])
    assert decoded.outputs == (outputs or {"": [{"a": 0.9, "b": 0.1}, {"a": 0.2, "b": 0.8}]})


def test_an_answer_of_torchserve_that_is_no_class():
    decoded = decode("POST", "/predictions/m", b"image", b"\xff\xfe" * 500)
    assert (decoded.rows, decoded.lost) == (1, "no_json")
    with rig(answering(answer(b"tabby")), sidecar={"redact": ["x"]}) as running:
        asked = post("/predictions/m", b"an image", "X-Request-Id: r-1")
        running.exchange(asked, len(answer(b"tabby")))
        (row,) = running.wait_for(Kind.LATENCY)
    assert row["id"] is None  # nobody could read what must not be told


# ---- routes

ROUTE = {"path": "/p", "inputs": "$.x", "outputs": "$.y", "scores": "$.s", "id": "$.meta.id"}


def routed(asked, answered, *headers, route=ROUTE, **sidecar):
    bodies = (b if isinstance(b, bytes) else json.dumps(b).encode() for b in (asked, answered))
    return decode("POST", "/p", *bodies, *headers, routes=[route], **sidecar)


@pytest.mark.parametrize(
    ("asked", "answered", "names", "inputs"),
    [
        ([1, 2, 3], [0], None, [[1, 2, 3]]),
        ([[1, 2], [3, 4]], [0, 1], None, [[1, 2], [3, 4]]),
        (["a", "b"], [0, 1], ["x"], [["a"], ["b"]]),
        ({"a": 1, "b": {"c": 2}}, 0, ["a", "b.c"], [[1, 2]]),
        ({"a": [1, 2], "b": [3, 4]}, [0, 1], ["a", "b"], [[1, 3], [2, 4]]),
        ([{"a": 1}, {"a": 2}], [0, 1], ["a"], [[1], [2]]),
        (5, 0, ["x"], [[5]]),
    ],
)
def test_shapes_of_inputs(asked, answered, names, inputs):
    decoded = routed({"x": asked, "meta": {"id": 7}}, {"y": answered})
    assert (decoded.names, decoded.inputs, decoded.id) == (names, inputs, "7")
    expected = answered if isinstance(answered, list) else [answered]
    assert decoded.outputs == {"prediction": expected}


def test_names_of_the_config_tell_a_row_from_a_column():
    asked, answered = {"x": [1, 2]}, {"y": [0.3, 0.7]}
    assert routed(asked, answered).rows == 2
    decoded = routed(asked, answered, features={"names": ["a", "b"]})
    assert (decoded.inputs, decoded.outputs) == ([[1, 2]], {"prediction": [[0.3, 0.7]]})


def test_a_path_with_a_star_is_a_list_of_rows():
    route = {"path": "/p", "inputs": "$.rows[*].x", "outputs": "$[*]['the label']"}
    asked = {"rows": [{"x": [1, 2]}, {"x": [3, 4]}]}
    decoded = routed(asked, [{"the label": "a"}, {"the label": "b"}], route=route)
    assert (decoded.inputs, decoded.outputs) == ([[1, 2], [3, 4]], {"prediction": ["a", "b"]})


def test_outputs_alone():
    decoded = routed({}, {"y": [1, 2]}, route={"path": "/p", "outputs": "$.y"})
    assert (decoded.inputs, decoded.outputs) == ([[], []], {"prediction": [1, 2]})


@pytest.mark.parametrize("media", ["application/x-ndjson", "text/plain"])
def test_lines_of_json(media):
    body = b'{"y": 0, "s": [0.9, 0.1]}\n{"y": 1, "s": [0.2, 0.8]}\n'
    header = f"Content-Type: {media}"
    decoded = routed({"x": [[1], [2]]}, body, header)
    assert decoded.outputs == {"prediction": [0, 1], "scores": [[0.9, 0.1], [0.2, 0.8]]}
    # Of one row's several pieces the last one counts.
    assert routed({"x": [[1]]}, body, header).outputs["prediction"] == [1]


def test_an_error_in_the_last_piece():
    body = b'data: {"y": 0}\n\ndata: {"error": "boom"}\n\n'
    decoded = routed({"x": [1, 2]}, body, "Content-Type: text/event-stream")
    assert decoded.failure == "stream_error"


@pytest.mark.parametrize(
    ("asked", "answered", "lost"),
    [
        ({"z": 1}, {"y": 1}, "no_instances"),
        ({"x": [1, 2]}, {"z": 1}, None),
        ({"x": [[1], [2]]}, {"y": [1]}, "rows_differ"),
        (b"{", {"y": 1}, "no_json"),
        ({"x": 1}, b"{", "no_json"),
    ],
)
def test_what_the_routes_do_not_describe(asked, answered, lost):
    decoded = routed(asked, answered)
    assert decoded.lost == lost
    assert decoded.outputs == {}


def test_a_route_with_only_a_path_keeps_no_body():
    with rig(
        answering(answer(b'{"y": 1}')), sidecar={"model": "m", "routes": [{"path": "/p"}]}
    ) as r:
        r.exchange(post("/p", b'{"x": 1}'), len(answer(b'{"y": 1}')))
        (row,) = r.wait_for(Kind.LATENCY)
        assert (row["model"], row["rows"]) == ("m", None)
        assert r.broker.rows(Kind.PREDICTION) == []
        assert r.sidecar.counters.total("payloads_dropped_total") == 0
