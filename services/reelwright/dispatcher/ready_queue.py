"""The batches that wait for a worker, and how models, priority classes and titles share the workers."""

from __future__ import annotations

import bisect
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from reelwright.dispatcher.engine_assignment import EngineRequest
from reelwright.dispatcher.fair_share import FairShare
from reelwright.dispatcher.queued_batch import BatchKey, QueuedBatch

CLASS_WEIGHTS = {"express": 16.0, "standard": 4.0, "bulk": 1.0}
"""Priority classes and their weights.

Chosen, not measured: a class is served four frames for each frame of the class below it. With work in all three,
express has 76 % of the workers, standard 19 % and bulk 5 %: bulk titles make progress, and express titles lose little.
"""

# A film of two hours has 172,800 frames, four hours of work for one worker of 12 frames/s. A deadline further away than
# that does not change a run's weight; from then on the weight doubles each time the remaining time halves.
_DEADLINE_SECONDS = 4 * 3600.0
# Reached 15 minutes before the deadline and kept after it. Bounded, so that runs without a deadline make progress.
_MAX_DEADLINE_WEIGHT = 16.0


@dataclass(frozen=True, slots=True)
class UnservedModel:
    """A model, or an engine with it, that queued batches need and no worker has.

    Attributes:
        name: the model's name.
        sha256: SHA-256 of its file, as hex.
        engine: the engine that is needed, or words of one; empty if any would do.
        batches: number of batches that wait for it.
    """

    name: str
    sha256: str
    engine: str
    batches: int


def deadline_weight(deadline: float | None, now: float) -> float:
    """A run's weight within its class: 1 with four hours or more left or without a deadline, up to 16 when it is due.

    Args:
        deadline: unix seconds, or None.
        now: unix seconds.
    """
    if deadline is None:
        return 1.0
    left = max(deadline - now, _DEADLINE_SECONDS / _MAX_DEADLINE_WEIGHT)
    return max(1.0, _DEADLINE_SECONDS / left)


@dataclass(slots=True)
class _RunQueue:
    """A run's batches.

    Attributes:
        batches: sorted by key, that is, in the film's order.
        requests: number of batches by their engine request.
    """

    batches: list[QueuedBatch] = field(default_factory=list)
    requests: Counter[EngineRequest] = field(default_factory=Counter)

    def find_batch(
        self, is_allowed: Callable[[QueuedBatch], bool], is_engine_allowed: Callable[[EngineRequest], bool]
    ) -> QueuedBatch | None:
        """The first batch that is allowed; arguments as for `ReadyQueue.pop_batch`."""
        requests = set(filter(is_engine_allowed, self.requests))
        # Without an allowed request no batch is looked at, so a long run for another engine costs no more than a short.
        found = (batch for batch in self.batches if batch.engine_request in requests and is_allowed(batch))
        return next(found, None) if requests else None


@dataclass(slots=True)
class _ClassQueue:
    """A class's batches.

    Attributes:
        share: whose turn it is, by run.
        runs: the batches of each run.
    """

    share: FairShare[str] = field(default_factory=FairShare)
    runs: dict[str, _RunQueue] = field(default_factory=dict)


@dataclass(slots=True)
class _ModelQueue:
    """A model's batches.

    Attributes:
        share: whose turn it is, by priority class.
        classes: the batches of each class.
    """

    share: FairShare[str] = field(default_factory=FairShare)
    classes: dict[str, _ClassQueue] = field(default_factory=lambda: {name: _ClassQueue() for name in CLASS_WEIGHTS})


class ReadyQueue:
    """Shares workers between models, classes by weight and runs by deadline; a run's batches go in the film's order.

    Shares are counted in frames and for each model separately, because a worker serves only its own models. Every run
    with a waiting batch is served within a bounded number of batches. A run's batches leave in the film's order, not in
    order of arrival: committing the earliest segment lets the decoder go on, and a returned batch is the one that its
    segment waits for.

    Args:
        clock: the time in unix seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._models: dict[str, _ModelQueue] = {}
        self._model_share: FairShare[str] = FairShare()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[QueuedBatch]:
        """The waiting batches, in no particular order."""
        for model in self._models.values():
            for queue in model.classes.values():
                for run in queue.runs.values():
                    yield from run.batches

    def add_batch(self, batch: QueuedBatch) -> None:
        """Adds a batch that is not in the queue."""
        model = self._models.setdefault(batch.model_sha256, _ModelQueue())
        queue = model.classes[batch.priority]
        run = queue.runs.setdefault(batch.key.run, _RunQueue())
        bisect.insort(run.batches, batch, key=_key)
        run.requests[batch.engine_request] += 1
        queue.share.add_flow(batch.key.run, deadline_weight(batch.deadline, self._clock()))
        model.share.add_flow(batch.priority, CLASS_WEIGHTS[batch.priority])
        self._model_share.add_flow(batch.model_sha256)
        self._count += 1

    def pop_batch(
        self,
        models: Collection[str],
        is_allowed: Callable[[QueuedBatch], bool] = lambda _: True,
        *,
        is_engine_allowed: Callable[[EngineRequest], bool] = lambda _: True,
    ) -> QueuedBatch | None:
        """Removes the next batch for a worker and returns it.

        Args:
            models: SHA-256 of the models that the worker serves.
            is_allowed: whether the worker may have a batch.
            is_engine_allowed: whether the worker's engine may; called once for all batches of the same request.

        Returns:
            The batch; None when no waiting batch is for these models and allowed.
        """
        batch = self._next_batch(models, is_allowed, is_engine_allowed)
        if batch is not None:
            self._charge(batch)
            self.remove_batch(batch)
        return batch

    def remove_batch(self, batch: QueuedBatch) -> None:
        """Removes a batch; has no effect when it is not in the queue."""
        model = self._models.get(batch.model_sha256)
        run = model.classes[batch.priority].runs.get(batch.key.run) if model else None
        if run is None:
            return
        at = bisect.bisect_left(run.batches, batch.key, key=_key)
        if at < len(run.batches) and run.batches[at] is batch:
            del run.batches[at]
            run.requests -= Counter((batch.engine_request,))
            self._count -= 1
            if not run.batches:
                self._remove_run(batch.model_sha256, batch.priority, batch.key.run)

    def unserved_models(self, unserved_engine: Callable[[EngineRequest], str | None]) -> list[UnservedModel]:
        """Finds the models and engines that waiting batches need and no worker has.

        Args:
            unserved_engine: what batches need and no worker has; None when a worker has it.
        """
        names: dict[tuple[str, str], str] = {}
        batches: Counter[tuple[str, str]] = Counter()
        for sha256 in self._model_share:
            for queue in self._models[sha256].classes.values():
                for run in queue.runs.values():
                    for request, count in run.requests.items():
                        engine = unserved_engine(request)
                        if engine is not None:
                            names[sha256, engine] = run.batches[0].model
                            batches[sha256, engine] += count
        return [UnservedModel(names[key], *key, count) for key, count in batches.items()]

    def _next_batch(
        self,
        models: Collection[str],
        is_allowed: Callable[[QueuedBatch], bool],
        is_engine_allowed: Callable[[EngineRequest], bool],
    ) -> QueuedBatch | None:
        for sha256 in self._model_share:
            if sha256 in models:
                model = self._models[sha256]
                for priority in model.share:
                    queue = model.classes[priority]
                    for run in queue.share:
                        if batch := queue.runs[run].find_batch(is_allowed, is_engine_allowed):
                            return batch
        return None

    def _charge(self, batch: QueuedBatch) -> None:
        model, frames = self._models[batch.model_sha256], max(1, batch.frames)
        self._model_share.charge(batch.model_sha256, frames)
        model.share.charge(batch.priority, frames, CLASS_WEIGHTS[batch.priority])
        weight = deadline_weight(batch.deadline, self._clock())
        model.classes[batch.priority].share.charge(batch.key.run, frames, weight)

    def _remove_run(self, sha256: str, priority: str, run: str) -> None:
        model = self._models[sha256]
        queue = model.classes[priority]
        del queue.runs[run]
        queue.share.remove(run)
        if not queue.share:
            model.share.remove(priority)
        if not model.share:
            self._model_share.remove(sha256)


def _key(batch: QueuedBatch) -> BatchKey:
    return batch.key
