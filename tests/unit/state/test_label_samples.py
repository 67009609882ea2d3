"""Samples in force in Redis: whoever reads an older one changes nothing."""

import pytest

from inferwatch.errors import StateFormatError
from pipeline.labels.falling_sample import SampleInForce
from pipeline.state.label_samples import LabelSampleStore

FIRST, SECOND, THIRD = (SampleInForce(n, 1_000 * n, 2**40) for n in (0, 2, 4))


async def test_a_change_builds_on_what_was_read(client, keys):
    store = LabelSampleStore(client, keys)
    assert await store.read() == {}
    assert not await store.change("m", FIRST, SECOND), "there is none yet"
    assert await store.change("m", None, FIRST)
    assert not await store.change("m", None, SECOND)
    assert await store.change("m", FIRST, SECOND)
    assert not await store.change("m", FIRST, THIRD)
    assert await store.change("n\N{SNOWMAN}", None, THIRD)
    assert await store.read() == {"m": SECOND, "n\N{SNOWMAN}": THIRD}
    await store.forget([])
    await store.forget(["n\N{SNOWMAN}", "unknown"])
    assert await store.read() == {"m": SECOND}


async def test_one_of_a_newer_version_ends_the_worker(client, keys):
    await client.hset(keys.label_samples, "m", b"\x63")
    with pytest.raises(StateFormatError, match="a sample of labels in Redis has format 99"):
        await LabelSampleStore(client, keys).read()
