"""The dashboard's folding task without a log: results and alerts are given to it by hand."""

from typing import Self

from results import START

from consumers.dashboard.folder import Folder
from consumers.dashboard.store import Store

HISTORY_MS = 7 * 86_400_000


class Fed:
    """A folder that is given items directly, in place of a log; time stands at START."""

    def __init__(self, store: Store) -> None:
        def no_source(positions):
            raise AssertionError("nothing is read from a log here")

        self.store = store
        self.folder = Folder(no_source, store, clock=lambda: START, history_ms=HISTORY_MS)

    async def load(self) -> Self:
        await self.folder._load()
        return self

    async def take(self, *items) -> None:
        partition = ("monitoring.windows", 0)
        positions = self.folder._positions
        for _ in items:
            positions = positions.after(partition, positions.next.get(partition, 0))
        await self.folder._take(list(items), positions)
