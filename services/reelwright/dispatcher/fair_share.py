"""Weighted turns: who is served next when everyone has been given a share by weight. Pure and deterministic."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


class FairShare(Generic[Name]):
    """Start-time fair queueing: each one served moves on by cost over weight, and the one furthest behind is next.

    While several wait, what each is served grows in proportion to its weight, and no one waits for longer than it takes
    the others to be served their own share. Whoever comes, or comes back, begins where those now served are: nobody
    saves turns up, and nobody loses those it has taken in advance by leaving for a moment.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._at: dict[Name, float] = {}
        self._waiting: dict[Name, int] = {}
        # May hold entries that were overtaken by a later one of the same name; `_waiting` knows which count.
        self._heap: list[tuple[float, int, Name]] = []
        # Equals are served in the order they came.
        self._order = itertools.count()

    def __contains__(self, name: Name) -> bool:
        return name in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, name: Name, weight: float = 1.0) -> None:
        """It waits from now on; nothing changes if it does already."""
        if name not in self._waiting:
            # As if served once for a cost of 1: of those who come together the weightiest is first.
            self._at[name] = max(self._now + 1 / weight, self._at.get(name, 0.0))
            self._enter(name)

    def remove(self, name: Name) -> None:
        """It does not wait any more."""
        if self._waiting.pop(name, None) is not None:
            self._tidy()

    def serve(self, name: Name, cost: float, weight: float = 1.0) -> None:
        """One that waits was served, and goes on waiting until `remove`."""
        # Equal unless others were served over its head; turns missed like that are not made up for in a row.
        self._now = max(self._now, self._at[name])
        self._at[name] = self._now + cost / weight
        self._enter(name)
        self._tidy()

    def __iter__(self) -> Iterator[Name]:
        """Those that wait, the next one first. The first is found at once; who wants more pays for a sort."""
        while self._heap and self._overtaken(self._heap[0]):
            heapq.heappop(self._heap)
        if self._heap:
            yield self._heap[0][2]
            yield from [name for _, _, name in sorted(entry for entry in self._heap if not self._overtaken(entry))][1:]

    def _enter(self, name: Name) -> None:
        order = self._waiting[name] = next(self._order)
        heapq.heappush(self._heap, (self._at[name], order, name))

    def _overtaken(self, entry: tuple[float, int, Name]) -> bool:
        return self._waiting.get(entry[2]) != entry[1]

    def _tidy(self) -> None:
        """Forgets who is gone, once the others have caught up with it; now and then, to stay cheap."""
        if len(self._at) > 2 * len(self._waiting) + 16:
            self._at = {name: at for name, at in self._at.items() if name in self._waiting or at > self._now}
        if len(self._heap) > 2 * len(self._waiting) + 16:
            self._heap = [entry for entry in self._heap if not self._overtaken(entry)]
            heapq.heapify(self._heap)
