"""Batches that wait for a worker, and the one place that says which of them goes next."""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from reelwright.dispatcher.fair_share import FairShare

CLASSES = {"express": 16.0, "standard": 4.0, "bulk": 1.0}
"""Priority classes and their weights.

Chosen, not measured: each class yields to four batches of the one above it. With work in all three express has 76 % of
the workers, standard 19 % and bulk 5 %, so a bulk title gets on, and an express one hardly notices.
"""

# A film of two hours is 172,800 frames, four hours of work for one worker of 12 frames/s. With more time than that
# left, a deadline is no reason to hurry; from there on the share of a run doubles each time the time left halves.
_NEAR_SECONDS = 4 * 3600.0
# Reached a quarter of an hour before the deadline, and kept after it; bounded, so that those without a deadline get on.
_MOST_WEIGHT = 16.0

BatchKey = tuple[str, int, int]
"""Run, segment, batch."""


@dataclass(frozen=True, slots=True, eq=False)
class QueuedBatch:
    """A batch as the dispatcher sees it; the frames stay coded.

    Attributes:
        key: run, segment, batch.
        priority: one of CLASSES.
        model: name of the model, for people.
        model_sha256: the model a worker must serve.
        first_frame: index in the title of its first frame.
        frames: how many.
        deadline: when its film is wanted, in unix seconds; None when nobody waits.
        value: the FrameBatch message, serialized.
    """

    key: BatchKey
    priority: str
    model: str
    model_sha256: str
    first_frame: int
    frames: int
    deadline: float | None
    value: bytes

    @property
    def run(self) -> str:
        """The run it belongs to."""
        return self.key[0]


def deadline_weight(deadline: float | None, now: float) -> float:
    """A run's weight among those of its class: 1 with hours left or no deadline, 16 when it is due."""
    if deadline is None:
        return 1.0
    left = max(deadline - now, _NEAR_SECONDS / _MOST_WEIGHT)
    return max(1.0, _NEAR_SECONDS / left)


@dataclass(slots=True)
class _Class:
    """The runs of a class that have batches here, each run's in the film's order."""

    turns: FairShare[str] = field(default_factory=FairShare)
    runs: dict[str, list[QueuedBatch]] = field(default_factory=dict)


@dataclass(slots=True)
class _Model:
    """What workers of one model may take."""

    turns: FairShare[str] = field(default_factory=FairShare)
    classes: dict[str, _Class] = field(default_factory=lambda: {name: _Class() for name in CLASSES})


class ReadyQueue:
    """Classes share by weight, a class's runs by the nearness of their deadlines; within a run the film's own order.

    Shares are counted in frames, apart for each model: its workers can serve no other. Every run with a batch here is
    served within a bound, whatever else comes. The film's order, and not that of arrival, because the earliest
    segment's commit is what lets the decoder go on, and a batch that came back is the one its segment waits for.

    Args:
        clock: unix seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._models: dict[str, _Model] = {}
        self._among_models: FairShare[str] = FairShare()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, batch: QueuedBatch) -> None:
        """Adds a batch, new or come back, that is not here."""
        model = self._models.setdefault(batch.model_sha256, _Model())
        runs = model.classes[batch.priority]
        bisect.insort(runs.runs.setdefault(batch.run, []), batch, key=_key)
        runs.turns.add(batch.run, deadline_weight(batch.deadline, self._clock()))
        model.turns.add(batch.priority, CLASSES[batch.priority])
        self._among_models.add(batch.model_sha256)
        self._count += 1

    def take(
        self, models: Collection[str], suits: Callable[[QueuedBatch], bool] = lambda _: True
    ) -> QueuedBatch | None:
        """Removes and returns the next batch for a worker; None when there is none.

        Args:
            models: SHA-256 of the models that the worker serves.
            suits: whether it may have a batch.
        """
        batch = self._next(models, suits)
        if batch is not None:
            self._charge(batch)
            self.discard(batch)
        return batch

    def discard(self, batch: QueuedBatch) -> None:
        """Removes a batch if it is here."""
        model = self._models.get(batch.model_sha256)
        waiting = model.classes[batch.priority].runs.get(batch.run, []) if model else []
        at = bisect.bisect_left(waiting, batch.key, key=_key)
        if at < len(waiting) and waiting[at] is batch:
            del waiting[at]
            self._count -= 1
            if not waiting:
                self._forget(batch.model_sha256, batch.priority, batch.run)

    def drop_run(self, run: str) -> None:
        """Removes a run's batches."""
        for sha256, model in list(self._models.items()):
            for priority, runs in model.classes.items():
                if run in runs.runs:
                    self._count -= len(runs.runs[run])
                    self._forget(sha256, priority, run)

    def unserved(self, models: Collection[str]) -> dict[str, tuple[str, int]]:
        """The models beside `models` for which batches wait, by SHA-256: their name, and how many batches.

        Args:
            models: SHA-256 of the models that workers serve.
        """
        found = {}
        for sha256 in set(self._among_models) - set(models):
            waiting = [batches for kind in self._models[sha256].classes.values() for batches in kind.runs.values()]
            found[sha256] = (waiting[0][0].model, sum(map(len, waiting)))
        return found

    def _next(self, models: Collection[str], suits: Callable[[QueuedBatch], bool]) -> QueuedBatch | None:
        for sha256 in self._among_models:
            if sha256 in models:
                model = self._models[sha256]
                for priority in model.turns:
                    kind = model.classes[priority]
                    for run in kind.turns:
                        for batch in kind.runs[run]:
                            if suits(batch):
                                return batch
        return None

    def _charge(self, batch: QueuedBatch) -> None:
        model, frames = self._models[batch.model_sha256], max(1, batch.frames)
        self._among_models.serve(batch.model_sha256, frames)
        model.turns.serve(batch.priority, frames, CLASSES[batch.priority])
        weight = deadline_weight(batch.deadline, self._clock())
        model.classes[batch.priority].turns.serve(batch.run, frames, weight)

    def _forget(self, sha256: str, priority: str, run: str) -> None:
        model = self._models[sha256]
        kind = model.classes[priority]
        del kind.runs[run]
        kind.turns.remove(run)
        if not kind.turns:
            model.turns.remove(priority)
        if not model.turns:
            self._among_models.remove(sha256)


def _key(batch: QueuedBatch) -> BatchKey:
    return batch.key
