"""At most so many names: the named ones, and of the rest those with the lowest hashes.

Models, versions of a model and segments of a version come from the rows, so a defect (or an
attack) can make a million of them. Those beyond a limit are told together, as `__other__`.

Which names stay depends on no order and no partitioning. A *scope* (a slice of time; a window)
holds a set of names, and the `k` lowest of a set are a function of the set alone. And a part of a
scope may forget what is not among its own `k` lowest:

- a name that is among the `k` lowest of the whole is among the `k` lowest of every part that
  holds it, for a part holds no name that the whole does not hold;
- a name that is no longer among the `k` lowest of a part never is again, for names only come: its
  rows can go to `__other__` at once and for good;
- so whatever the whole keeps was kept by every part from its first row to its last: its counts
  are exact, and `__other__` holds exactly the rows of all names that the whole does not keep.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.stats.categories import OTHER, category_order


@dataclass(frozen=True, slots=True)
class NameLimit:
    """How many names a scope keeps.

    Attributes:
        named: those that the config or a reference names: they always stay.
        most: names in all; the named ones count.
        configured: how many of `named` the config names. A part of a scope leaves room beside
            these only: which references are known may differ from part to part.
    """

    named: frozenset[str]
    most: int
    configured: int = 0

    def beyond(self, names: Iterable[str]) -> set[str]:
        """Those of a whole scope's names that go to `__other__`.

        >>> sorted(NameLimit(frozenset({"b"}), most=2).beyond(["a", "b", "c"]))
        ['a']
        """
        others = [name for name in names if name not in self.named]
        spare = max(self.most - len(self.named), 0)
        if len(others) <= spare:
            return set()
        return set(sorted(others, key=category_order)[spare:])


class LowestNames:
    """The names of one part of a scope that are not named, lowest hash first.

    Memory: at most `limit.most` names, whatever comes. Cost: 1 µs for a name that is refused.

    >>> lowest = LowestNames(NameLimit(frozenset(), most=1))
    >>> lowest.admit("a"), lowest.admit("c"), lowest.admit("b")
    ((True, None), (True, 'a'), (False, None))
    """

    __slots__ = ("_orders", "limit")

    def __init__(self, limit: NameLimit, names: Iterable[str] = ()) -> None:
        """Hold these names."""
        self.limit = limit
        self._orders = sorted(category_order(name) for name in names if name not in limit.named)

    def admit(self, name: str) -> tuple[bool, str | None]:
        """Whether a name stays, and the name that goes for it, if one does."""
        if name in self.limit.named:
            return True, None
        orders = self._orders
        order = category_order(name)
        at = bisect_left(orders, order)
        if at < len(orders) and orders[at] == order:
            return True, None
        evicted = None
        if len(orders) >= max(self.limit.most - self.limit.configured, 0):
            if at == len(orders):
                return False, None
            evicted = orders.pop()[1]
        orders.insert(at, order)
        return True, evicted


__all__ = ["OTHER", "LowestNames", "NameLimit"]
