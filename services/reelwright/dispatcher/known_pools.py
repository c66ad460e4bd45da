"""What the dispatcher knows about pools: how they are scaled, what their workers can do, how long pods take to come.

For the thread of the scheduler, whose state it reads.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.pod_starts import PodStarts, failed_after
from reelwright.dispatcher.pods_wanted import PoolState
from reelwright.dispatcher.pool_speeds import PoolSpeeds
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.telemetry import metrics
from reelwright.titles.identity import engine_matches

FORGET_POOL_SECONDS = 600.0
"""KEDA asks every 15 or 30 seconds. What it has not asked about for so long is not scaled by it any more."""

# What is known of a pool without pods may be wrong: its model may have been replaced. A pod that is started finds out.
_FORGET_WORKER_SECONDS = 3600.0
# Another description of a pool is believed once the former one was not asked about for so long.
_REPLACE_SECONDS = 60.0
# Anyone who reaches the ports can ask about pools of any name, and connect workers of them.
_MAX_POOLS = 100
# For so long a pool waits for the first pod of a cheaper one: longer than most pods take to come, with a new node.
_YIELD_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledPool:
    """A pool that is scaled by the dispatcher's answers.

    Attributes:
        name: of the pool.
        min_pods: least number of pods.
        max_pods: largest number of pods.
        price_per_hour: of a pod.
        start_seconds: from the request for a pod until it connects; an estimate, until starts have been measured.
        engine: the first word of the engine's identity, e.g. `openvino`; empty if that is not known.
        revision: anything that changes with the pool's engine or model, such as the tag of its image.
        model_sha256: of the pool's model, as hex; empty if that is not known.
    """

    name: str
    min_pods: int = 0
    max_pods: int = 100
    price_per_hour: float = 0.0
    start_seconds: float = 60.0
    engine: str = ""
    revision: str = ""
    model_sha256: str = ""


class _SeenWorker(NamedTuple):
    """The last worker of a pool.

    Attributes:
        models: SHA-256 of the models that it serves, as hex.
        engine: identity of its engine.
        at: when it was seen, on the monotonic clock.
        revision: of the pool at that time.
    """

    models: frozenset[str]
    engine: str
    at: float
    revision: str


@dataclass(slots=True, kw_only=True)
class _PoolRecord:
    """What is remembered of a pool.

    Attributes:
        scaled: as KEDA described it last; None for a pool that is not scaled.
        asked_at: when KEDA asked about it last.
        busy_at: when it last held or restored a batch.
        short_since: since when it has fewer pods than wanted; None while it has enough.
        yields_since: when it left work to cheaper pools for the first time, before its first pod; None before that.
        seen: its last worker; None before the first one.
        starts: how long its pods take to come.
    """

    scaled: ScaledPool | None = None
    asked_at: float = -math.inf
    busy_at: float = -math.inf
    short_since: float | None = None
    yields_since: float | None = None
    seen: _SeenWorker | None = None
    starts: PodStarts = field(default_factory=PodStarts)

    @property
    def seen_at(self) -> float:
        """When a worker of it was connected last."""
        return self.seen.at if self.seen else -math.inf

    @property
    def revision(self) -> str:
        return self.scaled.revision if self.scaled else ""


class KnownPools:
    """Remembers the pools.

    Args:
        scheduler: the scheduler.
        speeds: of their pods.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, scheduler: Scheduler, speeds: PoolSpeeds, clock: Callable[[], float]) -> None:
        self._scheduler, self._speeds, self._clock = scheduler, speeds, clock
        self._records: dict[str, _PoolRecord] = {}

    def describe(self, pool: ScaledPool) -> bool:
        """Notes how a pool is scaled now, because the pools share the work.

        Args:
            pool: as who asks describes it.

        Returns:
            Whether that is what is known of the pool from now on. It is not while another description of the pool is
            asked about, nor when too many pools are known.
        """
        record, now = self._records.get(pool.name), self._clock()
        if record is None and sum(known.seen is None for known in self._records.values()) >= _MAX_POOLS:
            return False
        if record and record.scaled not in {None, pool} and now - record.asked_at <= _REPLACE_SECONDS:
            return False
        record = self._record(pool.name)
        record.scaled, record.asked_at = pool, now
        # A worker that has just connected was asked for before this call.
        self._see_workers(now)
        return True

    def record_missing(self, name: str, pods: int) -> None:
        """Notes how many pods a pool has less than are wanted; 0 or less if it has enough."""
        record, now = self._record(name), self._clock()
        if pods <= 0:
            record.short_since = None
        elif record.short_since is None:
            record.short_since = now
        record.starts.request(pods, now)

    def record_yielded(self, name: str) -> None:
        """Notes that a pool that is not proven has left work to cheaper ones."""
        record = self._records.get(name)
        if record and record.yields_since is None:
            record.yields_since = self._clock()

    def record_restored(self, name: str) -> None:
        """Notes that a worker of a pool has restored a batch."""
        self._record(name).busy_at = self._clock()

    def sample(self) -> None:
        """Notes the workers that are connected now; must be called at least once a second."""
        now, costs = self._clock(), defaultdict[str, float](float)
        for worker in self._scheduler.connected_workers():
            costs[worker.hello.pool] += worker.hello.price_per_hour
            record = self._record(worker.hello.pool)
            record.seen = _SeenWorker(worker.hello.models, worker.hello.engine, now, record.revision)
            if self._scheduler.count_leases(worker):
                record.busy_at = now
        self._see_workers(now)
        self._forget(now)
        for pool, record in self._records.items():
            if record.scaled:
                metrics.POD_START_SECONDS.labels(pool=pool).set(record.starts.seconds(record.scaled.start_seconds))
            metrics.POD_FRAMES_PER_SECOND.labels(pool=pool).set(self._speeds.frames_per_second(pool))
            metrics.POOL_COST_PER_HOUR.labels(pool=pool).set(costs[pool])

    def states(self, asked: ScaledPool | None = None) -> list[PoolState]:
        """The pools that are scaled, and those that have workers without being scaled.

        Args:
            asked: a pool as who asks describes it; that counts for this answer, whatever else is known of the pool.
        """
        workers: dict[str, list[ConnectedWorker]] = {}
        for worker in self._scheduler.connected_workers():
            if not worker.draining:
                workers.setdefault(worker.hello.pool, []).append(worker)
        names = {name for name, record in self._records.items() if record.scaled} | workers.keys()
        names |= {asked.name} if asked else set()
        return [self._state(name, self._scaled(name, asked), workers.get(name, [])) for name in sorted(names)]

    def able(
        self, model_sha256: str, engine: str, states: Sequence[PoolState], asked: ScaledPool | None = None
    ) -> frozenset[str]:
        """Names of those of the pools that may restore a title; `asked` as of `states`."""
        return frozenset(
            state.name
            for state in states
            if self._can_restore(state.name, self._scaled(state.name, asked), model_sha256, engine)
        )

    def _scaled(self, name: str, asked: ScaledPool | None) -> ScaledPool | None:
        """How a pool is scaled; None when that is not known."""
        if asked and asked.name == name:
            return asked
        record = self._records.get(name)
        return record.scaled if record else None

    def _record(self, name: str) -> _PoolRecord:
        return self._records.setdefault(name, _PoolRecord())

    def _forget(self, now: float) -> None:
        """Forgets how pools were scaled that nobody asks about, and those that had no worker for long."""
        unscaled = [each for each in self._records.items() if each[1].asked_at < now - FORGET_POOL_SECONDS]
        unscaled.sort(key=lambda each: each[1].seen_at)
        for number, (pool, record) in enumerate(unscaled):
            if record.scaled:
                record.scaled = None
                metrics.remove_scaled_pool(pool)
            surplus = number < len(unscaled) - _MAX_POOLS
            if record.seen_at < (now if surplus else now - _FORGET_WORKER_SECONDS):
                del self._records[pool]
                self._speeds.forget(pool)
                metrics.remove_pool(pool)

    def _see_workers(self, now: float) -> None:
        names: dict[str, list[str]] = {}
        for worker in self._scheduler.connected_workers():
            names.setdefault(worker.hello.pool, []).append(worker.name)
        for pool, record in self._records.items():
            if record.scaled:
                record.starts.see(names.get(pool, []), record.scaled.start_seconds, now)

    def _state(self, name: str, scaled: ScaledPool | None, workers: list[ConnectedWorker]) -> PoolState:
        now, record, pods = self._clock(), self._records.get(name) or _PoolRecord(), len(workers)
        # A pool that nobody scales has the pods that it has.
        scaled = scaled or ScaledPool(
            name=name,
            min_pods=pods,
            max_pods=pods,
            price_per_hour=max((worker.hello.price_per_hour for worker in workers), default=0.0),
        )
        start = record.starts.seconds(scaled.start_seconds) + self._speeds.first_batch_seconds(name)
        waited = 0.0 if record.short_since is None else now - record.short_since
        yielded = 0.0 if record.yields_since is None else now - record.yields_since
        leases = [self._scheduler.count_leases(worker) for worker in workers]
        held = [worker.credits + count for worker, count in zip(workers, leases, strict=True)]
        return PoolState(
            name=name,
            pods=pods,
            min_pods=scaled.min_pods,
            max_pods=scaled.max_pods,
            price_per_hour=scaled.price_per_hour,
            # The pods that were asked for are on their way.
            start_seconds=max(0.0, start - waited),
            speed=self._speeds.pixels_per_second(name),
            leases=sum(leases),
            batches_per_pod=max(held, default=1) or 1,
            idle_seconds=now - record.busy_at,
            fails_to_start=waited > failed_after(start),
            # Of a pool that is not remembered nobody would know for how long it has waited.
            yields=name in self._records and yielded < _YIELD_SECONDS,
        )

    def _can_restore(self, name: str, scaled: ScaledPool | None, model_sha256: str, engine: str) -> bool:
        """Whether a pool may restore a title: by its workers, by its last one, or by what KEDA says of it."""
        record = self._records.get(name)
        if record is None and scaled is None:
            return False
        seen, revision = record.seen if record else None, scaled.revision if scaled else ""
        if seen and seen.revision == revision and self._clock() - seen.at < _FORGET_WORKER_SECONDS:
            return model_sha256 in seen.models and engine_matches(seen.engine, engine)
        if scaled and scaled.model_sha256 not in {"", model_sha256}:
            return False
        known = scaled.engine if scaled else ""
        # The engine of a title is a whole identity, or words of one.
        wanted = engine.split()
        return not (known and wanted and engine != known) or engine_matches(engine, known)
