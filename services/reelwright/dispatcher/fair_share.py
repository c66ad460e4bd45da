"""Weighted fair sharing among waiting flows. Pure and deterministic; `ready_queue` says what the flows are."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Flow = TypeVar("Flow", bound=Hashable)


class FairShare(Generic[Flow]):
    """Start-time fair queueing: serving a flow advances its start tag by cost / weight; the smallest tag is next.

    While several flows wait, the cost each is served grows in proportion to its weight. A waiting flow is served at the
    latest when every other flow has received its own share. A flow that starts to wait, for the first time or again,
    begins at the virtual time of the flow served last: it gets no credit for the time in which it did not wait, and it
    cannot clear what it was served in advance by leaving for a moment.

    Source: P. Goyal, H. M. Vin, H. Cheng, "Start-time Fair Queueing", ACM SIGCOMM 1996.
    """

    def __init__(self) -> None:
        self._virtual_time = 0.0
        self._start_tags: dict[Flow, float] = {}
        # The number of each waiting flow's valid heap entry; all its other entries are stale.
        self._waiting: dict[Flow, int] = {}
        self._heap: list[tuple[float, int, Flow]] = []
        # Flows with equal start tags are served in the order in which they were added.
        self._numbers = itertools.count()

    def __contains__(self, flow: Flow) -> bool:
        return flow in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def memory_entries(self) -> int:
        """Entries in memory; bounded by the number of waiting flows."""
        return len(self._start_tags) + len(self._heap)

    def add_flow(self, flow: Flow, weight: float = 1.0) -> None:
        """Lets a flow wait; has no effect on one that waits already."""
        if flow not in self._waiting:
            # As if it had been served once at a cost of 1: of flows that start together, the heaviest is served first.
            self._start_tags[flow] = max(self._virtual_time + 1 / weight, self._start_tags.get(flow, 0.0))
            self._push(flow)

    def remove(self, flow: Flow) -> None:
        """Ends a flow's wait; has no effect on one that does not wait."""
        if self._waiting.pop(flow, None) is not None:
            self._discard_stale()

    def charge(self, flow: Flow, cost: float, weight: float = 1.0) -> None:
        """Records that a waiting flow was served; it waits on until `remove`."""
        # A flow may be served although another is first, because that one's work suits no worker. Virtual time never
        # runs backwards, so the flow that was passed over is not served many times in a row later.
        self._virtual_time = max(self._virtual_time, self._start_tags[flow])
        self._start_tags[flow] = self._virtual_time + cost / weight
        self._push(flow)
        self._discard_stale()

    def __iter__(self) -> Iterator[Flow]:
        """The waiting flows in the order in which they are served; all but the first cost a sort."""
        while self._heap and self._is_stale(self._heap[0]):
            heapq.heappop(self._heap)
        if self._heap:
            yield self._heap[0][2]
            yield from [flow for _, _, flow in sorted(entry for entry in self._heap if not self._is_stale(entry))][1:]

    def _push(self, flow: Flow) -> None:
        number = self._waiting[flow] = next(self._numbers)
        heapq.heappush(self._heap, (self._start_tags[flow], number, flow))

    def _is_stale(self, entry: tuple[float, int, Flow]) -> bool:
        return self._waiting.get(entry[2]) != entry[1]

    def _discard_stale(self) -> None:
        """Drops stale entries, and the tags of absent flows that virtual time has passed; rarely, to stay cheap."""
        if len(self._start_tags) > 2 * len(self._waiting) + 16:
            self._start_tags = {
                flow: tag for flow, tag in self._start_tags.items() if flow in self._waiting or tag > self._virtual_time
            }
        if len(self._heap) > 2 * len(self._waiting) + 16:
            self._heap = [entry for entry in self._heap if not self._is_stale(entry)]
            heapq.heapify(self._heap)
