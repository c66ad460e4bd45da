"""What the dispatcher knows about pools and titles, and how many pods follow from it.

For the thread of the scheduler, whose state it reads.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.decisions import BatchFinished, Decision, LeaseGranted
from reelwright.dispatcher.pod_starts import PodStarts, failed_after
from reelwright.dispatcher.pods_wanted import PodsWanted, PoolState, TitleLoad, pods_wanted
from reelwright.dispatcher.pool_speeds import PoolSpeeds
from reelwright.dispatcher.queued_batch import QueuedBatch
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.titles_under_way import TitlesUnderWay, TitleUnderWay
from reelwright.telemetry import metrics
from reelwright.titles.identity import engine_matches
from reelwright.wire.titles_pb2 import Event

_SAMPLE_SECONDS = 1.0
# For so long the most batches of a title that were here at the same time are remembered.
_PEAK_SECONDS = 60.0
# KEDA asks every 15 or 30 seconds. A pool that it has not asked about for so long is not scaled by it any more.
_FORGET_POOL_SECONDS = 600.0
# What is known of a pool without pods may be wrong: its model may have been replaced. A pod that is started finds out.
_FORGET_WORKER_SECONDS = 3600.0
_ENDED = frozenset({"title_finished", "title_failed", "title_cancelled"})


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


@dataclass(slots=True, kw_only=True)
class _PoolRecord:
    """What is remembered of a pool.

    Attributes:
        scaled: as KEDA described it last; None for a pool that is not scaled.
        asked_at: when KEDA asked about it last.
        busy_at: when it last held or restored a batch.
        short_since: since when it has fewer pods than wanted; None while it has enough.
        seen: models and engine of its last worker, when it was seen, and the revision of the pool then.
        starts: how long its pods take to come.
    """

    scaled: ScaledPool | None = None
    asked_at: float = -math.inf
    busy_at: float = -math.inf
    short_since: float | None = None
    seen: tuple[frozenset[str], str, float, str] | None = None
    starts: PodStarts = field(default_factory=PodStarts)


@dataclass(frozen=True, slots=True)
class _BatchSample:
    """The batches that waited or were leased at a time.

    Attributes:
        at: the time, on the planner's monotonic clock.
        batches: their number by run and attempt.
    """

    at: float
    batches: Counter[tuple[str, int]] = field(default_factory=Counter)


class Planner:
    """Follows the scheduler and the events, and answers how many pods are wanted.

    Args:
        scheduler: the scheduler.
        target_seconds: time from its submission in which a title without a deadline should be restored.
        clock: a monotonic clock in seconds.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        target_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._scheduler, self._target_seconds = scheduler, target_seconds
        self._clock, self._wall_clock = clock, wall_clock
        self.speeds, self.titles = PoolSpeeds(), TitlesUnderWay(clock)
        self._pools: dict[str, _PoolRecord] = {}
        self._samples: deque[_BatchSample] = deque()
        # When each new worker got its first lease, by stream; None once it has restored a batch.
        self._first_leases: dict[int, float | None] = {}

    def record_decision(self, decision: Decision, seconds: float) -> None:
        """Notes a decision of the scheduler.

        Args:
            decision: the decision.
            seconds: that the restoration took, if the decision is about a restored batch.
        """
        match decision:
            case LeaseGranted(stream=stream):
                self._first_leases.setdefault(stream, self._clock())
            case BatchFinished(batch, restored_by) if restored_by is not None:
                self._record_restored(batch, restored_by, seconds)

    def record_event(self, event: Event) -> None:
        """Notes an event."""
        match event.WhichOneof("event"):
            case "title_progress":
                self.titles.record_progress(event.run, event.attempt, event.title_progress)
            case "segment_committed":
                self.titles.record_commit(event.run, event.attempt, event.segment_committed.segment)
            case kind if kind in _ENDED:
                self.titles.remove_ended(event.run, event.attempt)

    def sample(self) -> None:
        """Notes what is waiting and leased now; must be called at least once a second."""
        now = self._clock()
        if self._samples and now - self._samples[-1].at < _SAMPLE_SECONDS:
            return
        self.titles.forget_unreported()
        batches = Counter((batch.key.run, batch.key.attempt) for batch in self._scheduler.pending_batches())
        self._samples.append(_BatchSample(now, batches))
        while self._samples[0].at < now - _PEAK_SECONDS:
            self._samples.popleft()
        connected = self._scheduler.connected_workers()
        costs: dict[str, float] = defaultdict(float)
        for worker in connected:
            costs[worker.hello.pool] += worker.hello.price_per_hour
            record = self._pools.setdefault(worker.hello.pool, _PoolRecord())
            revision = record.scaled.revision if record.scaled else ""
            record.seen = (worker.hello.models, worker.hello.engine, now, revision)
            if self._scheduler.count_leases(worker):
                record.busy_at = now
        streams = {worker.stream for worker in connected}
        self._first_leases = {stream: at for stream, at in self._first_leases.items() if stream in streams}
        self._see_workers(now)
        for pool, record in list(self._pools.items()):
            if record.scaled:
                metrics.POD_START_SECONDS.labels(pool=pool).set(record.starts.seconds(record.scaled.start_seconds))
            if record.asked_at < now - _FORGET_POOL_SECONDS:
                record.scaled = None
                if not record.seen or record.seen[2] < now - _FORGET_WORKER_SECONDS:
                    del self._pools[pool]
            metrics.POD_FRAMES_PER_SECOND.labels(pool=pool).set(self.speeds.frames_per_second(pool))
            metrics.POOL_COST_PER_HOUR.labels(pool=pool).set(costs[pool])
        titles, wall_now = self.titles.titles(), self._wall_clock()
        metrics.FRAMES_LEFT.set(sum(title.frames_left for title in titles))
        metrics.TITLES_OVERDUE.set(sum(0 < title.progress.deadline < wall_now for title in titles))

    def pods(self, pool: ScaledPool) -> PodsWanted:
        """How many pods a pool should have, and why.

        Args:
            pool: as it is scaled now; it is remembered, because the pools share the work.
        """
        now = self._clock()
        record = self._pools.setdefault(pool.name, _PoolRecord())
        record.scaled, record.asked_at = pool, now
        # A worker that has just connected was asked for before this call.
        self._see_workers(now)
        states = self.pool_states()
        answer = pods_wanted(states, self.loads(states))[pool.name]
        (state,) = [each for each in states if each.name == pool.name]
        if state.pods >= answer.pods:
            record.short_since = None
        elif record.short_since is None:
            record.short_since = now
        record.starts.request(answer.pods - state.pods, now)
        metrics.set_pods_wanted(pool.name, answer.pods, answer.reason)
        return answer

    def encoders(self, segments_per_pod: float) -> int:
        """How many encoders are wanted: by the segments of which restored frames wait, and one for any title."""
        titles = self.titles.titles()
        waiting = sum(title.segments_to_encode for title in titles)
        return max(math.ceil(waiting / segments_per_pod), 1 if titles or self._scheduler.pending_batches() else 0)

    def pool_states(self) -> list[PoolState]:
        """The pools that are scaled, and those that have workers without being scaled."""
        workers: dict[str, list[ConnectedWorker]] = {}
        for worker in self._scheduler.connected_workers():
            if not worker.draining:
                workers.setdefault(worker.hello.pool, []).append(worker)
        names = {name for name, record in self._pools.items() if record.scaled} | workers.keys()
        return [self._state(name, workers.get(name, [])) for name in sorted(names)]

    def loads(self, states: list[PoolState]) -> list[TitleLoad]:
        """What is left of each title that is not done."""
        now = self._wall_clock()
        pending: dict[tuple[str, int], list[QueuedBatch]] = {}
        for batch in self._scheduler.pending_batches():
            pending.setdefault((batch.key.run, batch.key.attempt), []).append(batch)
        loads = []
        for key, title in ({(title.run, title.attempt): title for title in self.titles.titles()}).items():
            if load := self._load(title, pending.pop(key, []), states, now):
                loads.append(load)
        # Titles without reports: their decoder has an earlier version.
        loads += [
            TitleLoad(
                pixels=sum(batch.pixels for batch in batches),
                seconds=(batches[0].deadline or now + self._target_seconds) - now,
                pools=self._pools_for(batches[0].model_sha256, batches[0].engine, states),
                batches=self._peak(key),
            )
            for key, batches in pending.items()
        ]
        return loads

    def pools_for(self, model_sha256: str, engine: str) -> frozenset[str]:
        """Names of the pools that may restore a title."""
        return self._pools_for(model_sha256, engine, self.pool_states())

    def _record_restored(self, batch: QueuedBatch, worker: ConnectedWorker, seconds: float) -> None:
        now, hello = self._clock(), worker.hello
        self.titles.record_restored(batch)
        self._pools.setdefault(hello.pool, _PoolRecord()).busy_at = now
        self.speeds.record_batch(
            hello.pool, frames=batch.frames, pixels=batch.pixels, seconds=seconds, parallel=hello.parallel
        )
        first = self._first_leases.get(worker.stream)
        if first is not None:
            self.speeds.record_first_batch(hello.pool, now - first)
            self._first_leases[worker.stream] = None

    def _see_workers(self, now: float) -> None:
        names: dict[str, list[str]] = {}
        for worker in self._scheduler.connected_workers():
            names.setdefault(worker.hello.pool, []).append(worker.name)
        for pool, record in self._pools.items():
            if record.scaled:
                record.starts.see(names.get(pool, []), record.scaled.start_seconds, now)

    def _state(self, name: str, workers: list[ConnectedWorker]) -> PoolState:
        now, record, pods = self._clock(), self._pools.get(name) or _PoolRecord(), len(workers)
        # A pool that nobody scales has the pods that it has.
        scaled = record.scaled or ScaledPool(
            name=name,
            min_pods=pods,
            max_pods=pods,
            price_per_hour=max((worker.hello.price_per_hour for worker in workers), default=0.0),
        )
        start = record.starts.seconds(scaled.start_seconds) + self.speeds.first_batch_seconds(name)
        waited = 0.0 if record.short_since is None else now - record.short_since
        return PoolState(
            name=name,
            pods=pods,
            min_pods=scaled.min_pods,
            max_pods=scaled.max_pods,
            price_per_hour=scaled.price_per_hour,
            # The pods that were asked for are on their way.
            start_seconds=max(0.0, start - waited),
            speed=self.speeds.pixels_per_second(name),
            leases=sum(self._scheduler.count_leases(worker) for worker in workers),
            batches_per_pod=max(
                (worker.credits + self._scheduler.count_leases(worker) for worker in workers), default=1
            )
            or 1,
            idle_seconds=now - record.busy_at,
            fails_to_start=waited > failed_after(start),
        )

    def _load(
        self, title: TitleUnderWay, pending: list[QueuedBatch], states: list[PoolState], now: float
    ) -> TitleLoad | None:
        """What is left of a title; None when everything is restored."""
        progress = title.progress
        # More than was reported may be here: a segment that is restored again.
        here = sum(batch.pixels for batch in pending)
        pixels = max(title.frames_left * progress.frame_pixels, here)
        if progress.frames and progress.frame_pixels and not pixels:
            return None
        if not progress.model_sha256 and not pending:
            return None
        model = progress.model_sha256 or pending[0].model_sha256
        due = progress.deadline or (progress.submitted or now) + self._target_seconds
        return TitleLoad(
            pixels=pixels,
            seconds=due - now,
            pools=self._pools_for(model, progress.engine, states),
            batches=self._peak((title.run, title.attempt)),
        )

    def _peak(self, key: tuple[str, int]) -> int:
        return max((sample.batches[key] for sample in self._samples), default=0)

    def _pools_for(self, model_sha256: str, engine: str, states: list[PoolState]) -> frozenset[str]:
        able = {state.name for state in states if self._can_restore(state.name, model_sha256, engine)}
        return frozenset(able)

    def _can_restore(self, name: str, model_sha256: str, engine: str) -> bool:
        """Whether a pool may restore a title: by its workers, by its last one, or by what KEDA says of it."""
        record = self._pools.get(name)
        if record is None:
            return False
        revision = record.scaled.revision if record.scaled else ""
        if record.seen and record.seen[3] == revision and self._clock() - record.seen[2] < _FORGET_WORKER_SECONDS:
            models, own, _, _ = record.seen
            return model_sha256 in models and engine_matches(own, engine)
        if record.scaled and record.scaled.model_sha256 not in {"", model_sha256}:
            return False
        known = record.scaled.engine if record.scaled else ""
        # The engine of a title is a whole identity, or words of one.
        wanted = engine.split()
        return not (known and wanted and engine != known) or engine_matches(engine, known)
