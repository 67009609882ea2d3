import pytest
from notifier_store_suite import StoreSuite

from consumers.notifier.store.memory import MemoryStore


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    async def store(self):
        store = MemoryStore()
        assert not await store.whole()
        await store.make_whole()
        return store

    def lapse(self, store, ms):
        """Its claims run by the times that it is given."""
