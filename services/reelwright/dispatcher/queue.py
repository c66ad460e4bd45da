"""Batches that wait for a worker, and the one place that says which of them goes next."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

CLASSES = ("express", "standard", "bulk")
"""Priority classes, most urgent first."""

BatchKey = tuple[str, int, int]
"""Run, segment, batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A batch as the dispatcher sees it; the frames stay coded.

    Attributes:
        key: run, segment, batch.
        priority: one of CLASSES.
        model_sha256: the model a worker must serve.
        first_frame: index in the title of its first frame.
        frames: how many.
        value: the FrameBatch message, serialized.
    """

    key: BatchKey
    priority: str
    model_sha256: str
    first_frame: int
    frames: int
    value: bytes

    @property
    def run(self) -> str:
        """The run it belongs to."""
        return self.key[0]


class ReadyQueue:
    """Express before standard before bulk; within a class the runs take turns; within a run the film's own order.

    The film's order, and not that of arrival, because the earliest segment's commit is what lets the decoder go on,
    and a batch that came back is the one its segment waits for.
    """

    def __init__(self) -> None:
        self._classes: dict[str, OrderedDict[str, list[Batch]]] = {name: OrderedDict() for name in CLASSES}

    def __len__(self) -> int:
        return sum(len(batches) for runs in self._classes.values() for batches in runs.values())

    def put(self, batch: Batch) -> None:
        """Adds a batch, new or come back."""
        waiting = self._classes[batch.priority].setdefault(batch.run, [])
        bisect.insort(waiting, batch, key=lambda other: other.key)

    def take(self, suits: Callable[[Batch], bool]) -> Batch | None:
        """Removes and returns the next batch that `suits`; None when there is none. The run's turn is over then."""
        for runs in self._classes.values():
            for batches in runs.values():
                batch = next((batch for batch in batches if suits(batch)), None)
                if batch is not None:
                    self.discard(batch)
                    return batch
        return None

    def discard(self, batch: Batch) -> None:
        """Removes a batch if it is here."""
        runs = self._classes[batch.priority]
        if batch in runs.get(batch.run, ()):
            runs[batch.run].remove(batch)
            runs.move_to_end(batch.run)
            if not runs[batch.run]:
                del runs[batch.run]

    def drop_run(self, run: str) -> None:
        """Removes a run's batches."""
        for runs in self._classes.values():
            runs.pop(run, None)
