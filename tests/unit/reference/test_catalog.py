from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inferwatch.events.reference import ReferenceProfile
from pipeline.reference.catalog import ReferenceCatalog


def profile(name: str, model: str = "m", version: str | None = "1") -> ReferenceProfile:
    return ReferenceProfile(
        model=model, version=version, rows=1, fingerprint=name, created_at=0, features={}
    )


def counted(
    catalog: ReferenceCatalog, version: str, starts: list[int], record_ts: list[int]
) -> dict[str | None, list[bool]]:
    rows = len(record_ts)
    return {
        None if reference is None else reference.fingerprint: (
            [True] * rows if mask is None else mask.tolist()
        )
        for reference, mask in catalog.counting("m", version, starts, np.array(record_ts))
    }


def test_without_a_reference_all_rows_are_counted_without_one() -> None:
    assert counted(ReferenceCatalog(), "1", [0], [5, 6]) == {None: [True, True]}


def test_the_first_reference_holds_for_records_after_it_whatever_the_window() -> None:
    catalog = ReferenceCatalog()
    catalog.add(profile("a"), 100)
    assert counted(catalog, "1", [0], [99, 100, 101]) == {
        None: [True, True, False],
        "a": [False, False, True],
    }
    found = catalog.in_force("m", "1", 0)
    assert found is not None and found.fingerprint == "a"


def test_a_later_reference_holds_from_the_first_window_after_it() -> None:
    catalog = ReferenceCatalog()
    catalog.add(profile("a"), 100)
    catalog.add(profile("b"), 200)
    for start, expected in ((199, "a"), (200, "a"), (201, "b")):
        found = catalog.in_force("m", "1", start)
        assert found is not None and found.fingerprint == expected
    # A pane inside of a sliding window that began before and of one that begins after.
    assert counted(catalog, "1", [150, 250], [300]) == {"a": [True], "b": [True]}
    # A row from the future: its record is older than the reference, which no reader knew then.
    assert counted(catalog, "1", [250], [150]) == {"a": [True]}


@pytest.mark.parametrize(
    ("version", "expected"), [("1", "one"), ("2", "two"), ("3", "two"), ("9", "two")]
)
def test_the_own_version_serves_else_the_newest_of_the_model(version: str, expected: str) -> None:
    catalog = ReferenceCatalog()
    catalog.add(profile("every", model="*", version=None), 0)
    catalog.add(profile("one", version="1"), 0)
    catalog.add(profile("two", version="2"), 0)
    found = catalog.in_force("m", version, 0)
    assert found is not None and found.fingerprint == "every"  # the first, until windows after it
    found = catalog.in_force("m", version, 1)
    assert found is not None and found.fingerprint == expected


def test_what_serves_every_model_serves_one_without_its_own() -> None:
    catalog = ReferenceCatalog()
    catalog.add(profile("every", model="*", version=None), 10)
    assert counted(catalog, "1", [0], [20]) == {"every": [True]}


def test_publishing_again_changes_nothing() -> None:
    catalog = ReferenceCatalog()
    catalog.add(profile("a"), 100)
    catalog.add(profile("b"), 200)
    catalog.add(profile("a"), 300)
    found = catalog.in_force("m", "1", 400)
    assert found is not None and found.fingerprint == "b"
    assert [at for _, at in catalog.published()] == [100, 200]


def test_in_a_replay_all_references_hold_from_the_first_row() -> None:
    catalog = ReferenceCatalog()
    catalog.add(profile("every", model="*", version=None))
    catalog.add(profile("one", version="1"))
    assert counted(catalog, "1", [-5], [-(2**40)]) == {"one": [True]}


def learned(name: str, version: str | None = None) -> ReferenceProfile:
    return replace(profile(name, version=version), provisional=True)


def test_what_was_given_goes_before_what_was_learned_whoever_came_first() -> None:
    for given in (profile("given", model="*"), profile("given", version="2")):
        for first in (True, False):
            catalog = ReferenceCatalog()
            catalog.add(given, 100 if first else 200)
            catalog.add(learned("learned", "1"), 200 if first else 100)
            found = catalog.in_force("m", "1", 201)
            assert found is not None and found.fingerprint == "given"


def test_what_is_promoted_is_in_force_from_the_next_window_on() -> None:
    catalog = ReferenceCatalog()
    catalog.add(learned("a"), 100)
    catalog.add(replace(learned("a"), provisional=False), 200)
    at = {start: catalog.in_force("m", "1", start) for start in (0, 200, 201)}
    assert {start: found is not None and found.provisional for start, found in at.items()} == {
        0: True, 200: True, 201: False,
    }  # fmt: skip
    assert counted(catalog, "1", [150, 250], [100, 101, 300]) == {
        None: [True, False, False],
        "a": [False, True, True],
    }


def test_a_model_is_served_by_its_own_and_by_what_serves_every_one() -> None:
    catalog = ReferenceCatalog()
    catalog.add(profile("a", version="2"))
    assert (catalog.serves("m"), catalog.serves("other")) == (True, False)
    catalog.add(profile("every", model="*"))
    assert catalog.serves("other")
