"""The same events as JSON and as a batch of our own writer decode to the same rows."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from decoding import ARROW, NOW, decoder, json_record, record, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from inferwatch.events.arrow_writer import Event, write_batch
from inferwatch.events.kinds import Kind
from inferwatch.events.label import Label
from inferwatch.events.latency import Latency
from inferwatch.events.prediction import Prediction
from inferwatch.events.resource import Resource

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.sampled_from(["amount", "a.b", "", "ü", "x" * 30, "id", "ts"])
numbers = st.one_of(st.floats(), st.integers(), st.sampled_from([10**30, -(10**400), -0.0, 5e-324]))
scalars = st.one_of(numbers, texts, st.booleans())
values = st.one_of(scalars, st.none(), st.just([1, 2]))
times = st.integers(-(2**40), NOW)
models = st.sampled_from(["fraud", "churn", "ü"])
versions = st.sampled_from(["unversioned", "7", ""])
measures = st.one_of(st.none(), st.floats(), st.integers(-3, 2**40))

predictions = st.builds(
    Prediction,
    model=st.just("fraud"),
    version=versions,
    ts=times,
    id=st.none() | texts,
    prediction=scalars,
    features=st.dictionaries(names, values),
    scores=st.one_of(
        st.just({}),
        st.floats().map(lambda x: {"": x}),
        st.dictionaries(names.filter(bool), st.floats()),
    ),
    segment=st.dictionaries(names, st.one_of(texts, st.integers(), st.booleans(), st.none())),
)
latencies = st.builds(
    Latency,
    model=models,
    version=versions,
    ts=times,
    latency_ms=st.floats(0, 1e9),
    status=measures,
    error=st.none() | texts,
    ttft_ms=measures,
    tokens_out=measures,
    id=st.none() | texts,
)
resources = st.builds(
    Resource, model=models, version=versions, ts=times, origin=texts,
    cpu_percent=measures, rss_bytes=measures, gpu_percent=measures,
)  # fmt: skip
labels = st.builds(Label, id=texts, ts=times, label=scalars)


def as_json(event: Event) -> dict[str, Any]:
    """The event as a foreign producer writes it: a bare score is bare, what is None may lack."""
    plain = dataclasses.asdict(event)
    if plain.get("scores", {}).keys() == {""}:
        plain["scores"] = plain["scores"][""]
    return plain


def check(kind: Kind, events: list[Event]) -> None:
    single = decoder(kind).decode([json_record(as_json(e), offset=i) for i, e in enumerate(events)])
    batch = decoder(kind).decode([record(write_batch(kind, events), ARROW)])
    assert single.rejected == batch.rejected == []
    assert len(rows(single)) == len(events)
    assert rows(single) == rows(batch)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(predictions, min_size=1, max_size=6))
def test_predictions(events: list[Event]) -> None:
    check(Kind.PREDICTION, events)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(latencies, min_size=1, max_size=6))
def test_latencies(events: list[Event]) -> None:
    check(Kind.LATENCY, events)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(resources, min_size=1, max_size=6))
def test_resources(events: list[Event]) -> None:
    check(Kind.RESOURCE, events)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(labels, min_size=1, max_size=6))
def test_labels(events: list[Event]) -> None:
    check(Kind.LABEL, events)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(predictions, min_size=2, max_size=8), st.data())
def test_however_the_rows_are_cut_into_batches(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(events) - 1))
    parts = [events[:cut], events[cut:]]
    whole = decoder().decode([record(write_batch(Kind.PREDICTION, events), ARROW)])
    split = decoder().decode(
        [record(write_batch(Kind.PREDICTION, p), ARROW, offset=i) for i, p in enumerate(parts)]
    )
    # A batch lacks the columns that none of its rows names; such values are missing anyhow.
    assert [held(row) for row in rows(whole)] == [held(row) for row in rows(split)]


def held(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_the_writers_own_bounds() -> None:
    label = Label(id="a", ts=0, label=1)
    for events in ([], [label] * 65_537):
        with pytest.raises(ValueError, match="a batch holds 1 to 65536"):
            write_batch(Kind.LABEL, events)
    with pytest.raises(ValueError, match="2 numbers for 1 rows"):
        write_batch(Kind.LABEL, [label], seq=[1, 2])
    largest = decoder(Kind.LABEL, event_bytes=2**24).decode(
        [record(write_batch(Kind.LABEL, [label] * 65_536), ARROW)]
    )
    assert largest.chunks[0].rows.size == 65_536


def test_what_the_writer_says_of_its_sender() -> None:
    event = Prediction(model="m", ts=NOW, prediction="a")
    data = write_batch(Kind.PREDICTION, [event, event], origin="pod", seq=[5, 9])
    (chunk,) = decoder().decode([record(data, ARROW)]).chunks
    assert chunk.origin == "pod"
    assert chunk.rows.seq is not None and chunk.rows.seq.tolist() == [5, 9]


def test_nested_features_are_flattened_by_the_writer_too() -> None:
    nested: Any = {"a": {"b": 1}, "a.b": 2}
    event = Prediction(model="m", ts=NOW, prediction="a", features=nested)
    check(Kind.PREDICTION, [event])


def test_a_batch_needs_nothing_but_the_base_install() -> None:
    code = (
        "import sys; sys.modules['numpy'] = sys.modules['pyarrow'] = None\n"
        "from inferwatch.events.arrow_writer import write_batch\n"
        "from inferwatch.events.kinds import Kind\n"
        "from inferwatch.events.prediction import Prediction\n"
        "row = Prediction(model='m', ts=1, prediction='a', features={'x': 1.5, 'y': 'é'})\n"
        "sys.stdout.write(write_batch(Kind.PREDICTION, [row]).hex())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (row,) = rows(decoder().decode([record(bytes.fromhex(run.stdout), ARROW)]))
    assert (row["features.x"], row["features.y"]) == ("1.5", "'é'")
