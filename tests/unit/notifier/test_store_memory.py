import pytest
from notifier_store_suite import StoreSuite

from consumers.notifier.store.memory import MemoryStore


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self):
        return MemoryStore()

    def lapse(self, store, ms):
        """Its claims run by the times that it is given."""
