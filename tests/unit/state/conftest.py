"""An asyncio client of the run's Redis, and this test's own keys."""

import pytest
import redis.asyncio

from pipeline.state.keys import Keys, SourcePartition


@pytest.fixture
async def client(redis_server):
    connection = redis.asyncio.Redis.from_url(redis_server.url)
    yield connection
    await connection.aclose()


@pytest.fixture
def keys(prefix):
    return Keys(prefix)


@pytest.fixture
def source():
    return SourcePartition("inference.predictions", 0)
