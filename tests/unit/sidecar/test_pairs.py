"""How halves find each other, with a clock that the test sets."""

import pytest

from producers.sidecar.collector.cloud_event import CloudEvent
from producers.sidecar.collector.half import kind_of, read_half
from producers.sidecar.collector.pairs import Pair, Pairs


def half(kind, name="a", now=0.0, limit=100, data=b"{}", **attributes):
    told = {"id": name, "type": f"org.kubeflow.serving.inference.{kind}", **attributes}
    return read_half(CloudEvent(told, data), kind, limit, now, 0)


def test_a_half_that_comes_after_its_other_was_given_up_is_late():
    pairs = Pairs(wait_s=10, most=100)
    assert pairs.add(half("request", now=0)) is None
    assert pairs.overdue(9.9) == []
    assert [h.kind for h in pairs.overdue(10)] == ["request"]
    assert pairs.add(half("response", now=19.9)) == "late"
    assert (len(pairs), pairs.overdue(100)) == (0, [])


def test_ids_are_forgotten_after_the_wait():
    pairs = Pairs(wait_s=10, most=100)
    pairs.add(half("request"))
    assert isinstance(pairs.add(half("response", now=1)), Pair)
    assert pairs.add(half("request", now=10.9)) == "duplicate"
    assert pairs.add(half("request", now=11)) is None
    assert isinstance(pairs.add(half("response", now=12)), Pair)


def test_the_oldest_are_too_many_and_late_from_then_on():
    pairs = Pairs(wait_s=10, most=2)
    for second, name in enumerate("abcd"):
        pairs.add(half("request", name, now=second))
    assert [h.came for h in pairs.overflow(4)] == [0, 1]
    assert pairs.add(half("response", "a", now=5)) == "late"
    assert [h.came for h in pairs.overdue(12.5)] == [2]


def test_what_is_remembered_is_bounded():
    pairs = Pairs(wait_s=10, most=2)
    for name in "abc":
        pairs.add(half("request", name))
        pairs.add(half("response", name))
    assert pairs.add(half("request", "c")) == "duplicate"
    assert pairs.add(half("request", "a")) is None


@pytest.mark.parametrize(
    "name", ["namespace", "inferenceservicename", "component", "endpoint", "modelid", "requestid"]
)
def test_what_both_halves_have_in_common(name):
    one, other = half("request", **{name: "x"}), half("response", **{name: "y"})
    assert one.key != other.key
    assert one.key == half("response", **{name: "x"}).key


def test_a_payload_above_the_limit_is_left_out():
    whole, cut = half("request", data=b"x" * 100), half("request", data=b"x" * 101)
    assert (whole.message.cut, whole.message.body) == (None, [b"x" * 100])
    assert (cut.message.cut, cut.message.body, cut.message.size) == ("oversized", [], 101)
    assert whole.message.kept == cut.message.kept + 100


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("org.kubeflow.serving.inference.request", "request"),
        ("io.seldon.serving.inference.response", "response"),
        ("io.seldon.serving.feedback", "feedback"),
        ("io.seldon.serving.inference.outlier", None),
        ("org.example.serving.inference.request", None),
    ],
)
def test_kinds(told, kind):
    assert kind_of(CloudEvent({"type": told}, b"")) == kind
