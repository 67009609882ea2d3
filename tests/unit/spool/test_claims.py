"""Which process owns which folder: the living keep theirs, the dead are inherited once."""

import os
import resource
import subprocess
import sys

import pytest
from eventually import eventually
from spool_rig import batch

from inferwatch.events.kinds import Kind
from producers.spool.claims import Place
from producers.spool.entry import encode
from producers.spool.segment import Segment

HOLDING = """
import sys, time
from pathlib import Path
from producers.spool.claims import Place
claim = Place(Path(sys.argv[1]), "kafka").claim(sys.argv[2])
print(claim.folder, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "spool", "kafka")


@pytest.fixture
def living(place):
    """A process that holds a folder until the test kills it."""
    processes = []

    def start(name):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDING, str(place.directory), name],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline().strip() == str(place.folder / name)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def leave(folder):
    """Put a file with an event there."""
    segment = Segment.create(folder, Kind.LATENCY, 1)
    segment.append(encode(batch(1)), 2)
    segment.close()


def test_a_folder_is_its_owners_alone_and_private(place):
    claim = place.claim("a")
    leave(claim.folder)
    for folder in (place.directory, place.folder, claim.folder):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in claim.folder.iterdir()} == {0o600}
    assert list(place.claim_dead()) == []
    claim.release()
    (dead,) = place.claim_dead()
    assert dead.folder == claim.folder
    dead.release()


def test_the_living_are_left_alone_and_the_dead_inherited_by_one(place, living):
    process = living("other")
    leave(place.folder / "other")
    assert list(place.claim_dead()) == []
    process.kill()
    process.wait()
    (dead,) = place.claim_dead()
    assert dead.folder.name == "other"
    # Another sidecar looks at the same time.
    assert list(Place(place.directory, "kafka").claim_dead()) == []
    dead.release()
    assert len(list(place.claim_dead())) == 1


def test_what_is_empty_goes(place):
    mine = place.claim("mine")
    dead = place.claim("dead")
    os.close(dead._fd)  # as the kernel does when it dies
    assert list(place.claim_dead()) == []
    assert [path.name for path in place.folder.iterdir()] == ["mine"]
    mine.release()
    assert list(place.folder.iterdir()) == []


def test_one_that_is_being_made_is_left_alone_for_an_hour(place):
    place.claim("a").release()
    half = place.folder / ".half"
    half.mkdir()
    list(place.claim_dead())
    assert half.exists()
    os.utime(half, (0, 0))
    list(place.claim_dead())
    assert not half.exists()


def test_a_folder_that_was_half_made_is_made_again(place):
    place.claim("a").release()
    (place.folder / ".b").mkdir()
    claim = place.claim("b")
    assert claim.folder.name == "b"
    claim.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_nothing_is_written_into_a_folder_of_another_user(place):
    place.claim("a").release()
    os.chown(place.folder, 12345, 12345)
    with pytest.raises(PermissionError, match="another user"):
        place.claim("b")


def test_another_kafka_has_other_folders(place, tmp_path):
    other = Place(place.directory, "kafka of others")
    claim = other.claim("a")
    leave(claim.folder)
    claim.release()
    place.claim("b").release()
    assert list(place.claim_dead()) == []
    assert place.strangers() == [other.folder]
    assert other.strangers() == []


def test_links_and_files_are_no_folders_of_ours(place, tmp_path):
    place.claim("a").release()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    leave(elsewhere)
    (place.folder / "link").symlink_to(elsewhere)
    (place.folder / "file").write_text("")
    assert list(place.claim_dead()) == []
    assert [path.suffix for path in elsewhere.iterdir()] == [".segment"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_not_trusted(place):
    claim = place.claim("a")
    leave(claim.folder)
    claim.release()
    os.chown(claim.folder, 12345, 12345)
    assert list(place.claim_dead()) == []


def test_many_at_once_share_what_is_left(place, living):
    dead = [living(f"dead-{n}") for n in range(3)]
    for n, process in enumerate(dead):
        leave(place.folder / f"dead-{n}")
        process.kill()
        process.wait()
    claimed = eventually(
        lambda: [*place.claim_dead(), *Place(place.directory, "kafka").claim_dead()]
    )
    assert sorted(claim.folder.name for claim in claimed) == ["dead-0", "dead-1", "dead-2"]
    for claim in claimed:
        claim.release()


def test_a_folder_that_cannot_be_listed_now_is_found_later(place):
    claim = place.claim("dead")
    leave(claim.folder)
    claim.release()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    # One more: for the lock, and then there is none to list the folder with.
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, before[1]))
    try:
        assert list(place.claim_dead()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (dead,) = place.claim_dead()
    dead.release()


def test_only_what_is_asked_for_is_locked(place):
    for name in ("a", "b"):
        claim = place.claim(name)
        leave(claim.folder)
        claim.release()
    first = next(place.claim_dead())
    (second,) = Place(place.directory, "kafka").claim_dead()
    assert {first.folder.name, second.folder.name} == {"a", "b"}
    first.release()
    second.release()
