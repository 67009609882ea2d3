"""What the topic says decides about revisions: they rise, and never for nothing."""

from dataclasses import replace

from inferwatch.events.window import WindowResult
from pipeline.published import Published, digest
from pipeline.windows.grid import Span
from pipeline.windows.result import WindowKey

KEY = WindowKey(Span(60_000, 60_000, "1m"), "7", "")


def result(**changes):
    values = {
        "rows": 10,
        "revision": 0,
        "late": 0,
        "duplicates": 0,
        "lost": 0,
        "completeness": 1.0,
        "reference": None,
        "provisional": False,
    } | changes
    return WindowResult(
        model="m", version="7", segment=None, window="1m", start=0, end=60_000, final=True, **values
    )


def test_the_first_result_is_published_as_it_is():
    assert Published().revise(KEY, result()) == result()


def test_what_says_nothing_new_is_not_published():
    published = Published()
    published.learn(result(revision=4), 0)
    assert published.revise(KEY, result()) is None


def test_a_correction_stands_one_above_what_the_topic_holds():
    published = Published()
    published.learn(result(revision=16), 0)
    revised = published.revise(KEY, result(rows=12))
    assert (revised.revision, revised.rows, revised.late) == (17, 12, 2)


def test_late_rows_are_counted_from_the_first_publication_on():
    published = Published()
    published.learn(result(rows=10), 0)
    first = published.revise(KEY, result(rows=12))
    published.learn(first, 1)
    assert published.revise(KEY, result(rows=13)).late == 3
    again = Published()
    again.learn(first, 1)
    assert again.revise(KEY, result(rows=13)).late == 3, "a restart reads the same"


def test_an_older_record_changes_nothing_a_later_one_of_the_same_revision_does():
    published = Published()
    published.learn(result(revision=3, rows=10), 0)
    published.learn(result(revision=2, rows=5), 1)
    assert published.revise(KEY, result(rows=10)) is None
    published.learn(result(revision=3, rows=5), 2)
    assert published.revise(KEY, result(rows=10)).revision == 4


def test_which_window_a_result_is_about():
    assert Published().learn(result(), 0) == KEY
    assert Published().learn(replace(result(), segment="region=eu"), 0).segment == "region=eu"


def test_forgetting_tells_from_when_on_the_topic_must_be_asked():
    published = Published()
    published.learn(result(), 0)
    published.forget(60_000)
    assert published.get(KEY) is not None
    published.forget(60_001)
    assert published.get(KEY) is None
    published.forget(5)
    assert published.forgotten_before == 60_001


def test_the_order_in_which_floats_were_added_says_nothing_new():
    published = Published()
    published.learn(result(completeness=0.1 + 0.2), 0)
    assert published.revise(KEY, result(completeness=0.3)) is None
    assert published.revise(KEY, result(completeness=0.3000001)).revision == 1


def test_the_digest_is_of_all_but_the_revision():
    assert digest(result()) == digest(result(revision=9))
    assert digest(result()) != digest(result(rows=11))
