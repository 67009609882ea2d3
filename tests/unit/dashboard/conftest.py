from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fed_dashboard import HISTORY_MS, Fed
from redis.asyncio import Redis

from consumers.dashboard.service import Options, build
from consumers.dashboard.store import Store
from inferwatch.embedded.broker import EmbeddedBroker


@pytest.fixture(scope="session")
def mock_broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
async def redis(redis_server) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture
def store(redis, prefix) -> Store:
    return Store(redis, prefix, HISTORY_MS)


@pytest.fixture
async def fed(store) -> Fed:
    return await Fed(store).load()


@pytest.fixture
async def serve(fed, prefix):
    """`await serve(token=None, host="127.0.0.1")` is a client of the application over `fed`."""
    clients: list[TestClient] = []

    async def start(token: str | None = None, host: str = "127.0.0.1") -> TestClient:
        options = Options(
            kafka={}, prefix=prefix, history_ms=HISTORY_MS, host=host, port=0, token=token
        )
        client = TestClient(TestServer(build(fed.folder, fed.store, options)))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()
