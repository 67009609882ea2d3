"""What the config says about names, ids, segments, samples and secrets."""

import gzip
import json

import pytest
from sidecar_rig import answer, answering, post, read_exactly, rig

from inferwatch.events.kinds import Kind

ROW = {"amount": 12.5, "country": "DE", "email": "eve@example.com", "user": {"ssn": "078-05-1120"}}


def predict(body, *headers, predictions=(1,), path="/v1/models/m:predict", reply=None, **options):
    answered = answer(json.dumps(reply or {"predictions": list(predictions)}).encode())
    with rig(answering(answered), **options) as running:
        asked = post(path, json.dumps(body).encode(), *headers)
        with running.connect() as client:
            client.sendall(asked)
            assert read_exactly(client, len(answered)) == answered
        latencies = running.wait_for(Kind.LATENCY)
        rows = running.wait_for(Kind.PREDICTION, len(predictions))
        payload = b"".join(batch.payload for batch in running.broker.batches)
    return rows, latencies, payload


def test_names_of_the_config_where_the_wire_has_none():
    rows, _, _ = predict({"instances": [[1, 2]]}, sidecar={"features": {"names": ["a", "b"]}})
    assert (rows[0]["features.a"], rows[0]["features.b"]) == (1, 2)
    rows, _, _ = predict({"instances": [[1, 2, 3]]}, sidecar={"features": {"names": ["a", "b"]}})
    assert rows[0]["features.f2"] == 3


def test_names_that_the_server_told():
    described = {
        "name": "m",
        "inputs": [{"name": "a", "shape": [-1]}, {"name": "b", "shape": [-1]}],
    }
    described = answer(json.dumps(described).encode())
    outputs = [{"name": "y", "shape": [1], "datatype": "INT64", "data": [1]}]
    predicted = answer(json.dumps({"outputs": outputs}).encode())
    inputs = [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [3, 4]}]
    with rig(answering(described, predicted)) as running:
        with running.connect() as client:
            client.sendall(b"GET /v2/models/m HTTP/1.1\r\n\r\n")
            read_exactly(client, len(described))
            client.sendall(post("/v2/models/m/infer", json.dumps({"inputs": inputs}).encode()))
            read_exactly(client, len(predicted))
        (row,) = running.wait_for(Kind.PREDICTION)
    assert (row["features.a"], row["features.b"]) == (3, 4)


def test_nested_and_named_rows():
    body = {"instances": [{"a": 1, "n": {"x": "t"}, "image": {"b64": "aGk="}}, {"a": 2, "z": True}]}
    rows, _, _ = predict(body, predictions=("p", "q"))
    assert (rows[0]["features.a"], rows[0]["features.n.x"]) == (1, "t")
    assert (rows[1]["features.z"], rows[0]["features.z"]) == (True, None)
    assert not any("image" in name for name in rows[0])


def test_config_names_the_model_only_where_the_wire_does_not():
    rows, latencies, _ = predict({"instances": [1]}, sidecar={"model": "other", "version": "9"})
    assert (rows[0]["model"], rows[0]["version"]) == ("m", "9")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["X-Request-Id: r", "Ce-Id: c"], "r"),
        (["X-Amzn-SageMaker-Inference-Id: s", "Seldon-Puid: p"], "s"),
        (["Seldon-Puid: p", "ce-id: c"], "p"),
        (["ce-id: c"], "c"),
    ],
)
def test_ids_of_headers(headers, expected):
    rows, latencies, _ = predict({"instances": [1, 2]}, *headers, predictions=(1, 2))
    assert latencies[0]["id"] == expected
    assert [r["id"] for r in rows] == [f"{expected}:0", f"{expected}:1"]


def test_segments():
    segments = {
        "region": "header:x-region",
        "tenant": "query:tenant",
        "country": "feature:country",
        "site": "value:north",
        "absent": "header:nope",
    }
    rows, _, _ = predict(
        {"instances": [ROW]},
        "X-Region: eu",
        path="/v1/models/m:predict?tenant=t7",
        sidecar={"segments": segments},
    )
    found = {k.removeprefix("segment."): v for k, v in rows[0].items() if k.startswith("segment.")}
    assert found == {"region": "eu", "tenant": "t7", "country": "DE", "site": "north"}


def test_scores_get_the_classes_of_the_config():
    text = "models: [{name: m, task: multiclass, classes: [a, b, c]}]"
    rows, _, _ = predict({"instances": [1]}, predictions=([0.1, 0.7, 0.2],), text=text)
    assert (rows[0]["scores.b"], rows[0]["prediction"]) == (0.7, "b")


def test_a_lone_probability_of_a_binary_model():
    text = "models: [{name: m, task: binary, classes: [ok, bad], positive: bad}]"
    rows, _, _ = predict({"instances": [1]}, predictions=([0.7],), text=text)
    assert (rows[0]["scores"], rows[0]["prediction"]) == (0.7, "bad")


def test_a_number_is_the_prediction_of_a_regression():
    rows, _, _ = predict({"instances": [1]}, predictions=([0.7],))
    assert rows[0]["prediction"] == 0.7
    assert not any(name.startswith("scores") for name in rows[0])


def test_a_sample_is_by_id():
    kept = []
    for n in range(40):
        answered = answer(b'{"predictions":[1]}')
        with_id = post("/v1/models/m:predict", b'{"instances":[1]}', f"X-Request-Id: r{n}")
        kept.append((with_id, answered))
    share = {"sample": {"predictions": 0.5}}
    with rig(answering(*[a for _, a in kept]), sidecar=share) as running:
        with running.connect() as client:
            for asked, answered in kept:
                client.sendall(asked)
                read_exactly(client, len(answered))
        assert len(running.wait_for(Kind.LATENCY, 40)) == 40
        out = running.counter("rows_sampled_out_total")
        rows = running.wait_for(Kind.PREDICTION, 40 - out)
        assert 5 < len(rows) < 35
        assert len(rows) + out == 40
        assert all(row["seq"] < len(rows) for row in rows)


SECRETS = (b"eve@example.com", b"078-05-1120")


def test_secrets_never_leave():
    sidecar = {
        "redact": ["email"],
        "features": {"deny": ["user"]},
        "segments": {"who": "header:x-who", "email": "header:x-region"},
        "errors": {"text": True},
    }
    body = {"instances": [ROW]}
    rows, latencies, payload = predict(
        body,
        "X-Request-Id: eve@example.com-7",
        "X-Who: eve@example.com",
        "X-Region: eu",
        reply={"predictions": [{"label": "to eve@example.com", "email": "eve@example.com"}]},
        sidecar=sidecar,
    )
    assert not any(secret in payload for secret in SECRETS)
    assert rows[0]["features.country"] == "DE"
    assert rows[0]["id"] is None
    assert rows[0]["prediction"] == "to [redacted]"
    assert rows[0]["segment.who"] == "[redacted]"
    assert not any("email" in name for name in rows[0])


def test_an_error_text_is_told_only_when_asked_for_and_without_secrets():
    body = json.dumps({"instances": [ROW]}).encode()
    for wanted, expected in (
        (False, "upstream_5xx"),
        (True, "upstream_5xx: cannot score [redacted]"),
    ):
        failed = answer(b'{"error":"cannot score 078-05-1120"}', status="500 Oops")
        sidecar = {"redact": ["ssn"], "errors": {"text": wanted}}
        with rig(answering(failed), sidecar=sidecar) as running:
            running.exchange(post("/v1/models/m:predict", body), len(failed))
            (row,) = running.wait_for(Kind.LATENCY)
            payload = b"".join(batch.payload for batch in running.broker.batches)
        assert row["error"] == expected
        assert b"078-05-1120" not in payload


def test_what_could_not_be_read_is_not_told_either():
    # The features are cut off, so nobody knows what the id and the text hold.
    failed = answer(b"078-05-1120 is wrong", status="500 Oops")
    sidecar = {"redact": ["ssn"], "errors": {"text": True}}
    with rig(answering(failed), sidecar=sidecar) as running:
        asked = post("/v1/models/m:predict", b'{"instances":[', "X-Request-Id: 078-05-1120")
        running.exchange(asked, len(failed))
        (row,) = running.wait_for(Kind.LATENCY)
    assert (row["error"], row["id"]) == ("upstream_5xx", None)


def test_hashed_features():
    hashed = []
    for key in (None, "k1", "k1", "k2"):
        features = {"hash": ["email"], **({"hash_key": key} if key else {})}
        rows, _, payload = predict({"instances": [ROW]}, sidecar={"features": features})
        assert SECRETS[0] not in payload
        hashed.append(rows[0]["features.email"])
    assert len(hashed[0]) == 16
    assert hashed[1] == hashed[2]
    assert len(set(hashed)) == 3


def test_only_allowed_features():
    rows, _, _ = predict({"instances": [ROW]}, sidecar={"features": {"allow": ["amount"]}})
    assert {n for n in rows[0] if n.startswith("features.")} == {"features.amount"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_bodies_that_are_packed_both_ways(encoding):
    import zlib

    import zstandard

    pack = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }[encoding]
    header = f"Content-Encoding: {encoding}"
    answered = answer(pack(b'{"predictions":[1]}'), header)
    with rig(answering(answered)) as running:
        asked = post("/v1/models/m:predict", pack(b'{"instances":[5]}'), header)
        assert running.exchange(asked, len(answered)) == answered
        (row,) = running.wait_for(Kind.PREDICTION)
    assert (row["features.f0"], row["prediction"]) == (5, 1)
