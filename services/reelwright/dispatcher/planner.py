"""What is left of each title, and how many pods follow from it.

For the thread of the scheduler, whose state it reads.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.decisions import BatchFinished, Decision, LeaseGranted
from reelwright.dispatcher.known_pools import FORGET_POOL_SECONDS, KnownPools, ScaledPool
from reelwright.dispatcher.pods_wanted import PodsWanted, PoolState, TitleLoad, pods_wanted
from reelwright.dispatcher.pool_speeds import PoolSpeeds
from reelwright.dispatcher.queued_batch import QueuedBatch
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.titles_under_way import TitlesUnderWay, TitleUnderWay
from reelwright.telemetry import metrics
from reelwright.wire.titles_pb2 import Event

_SAMPLE_SECONDS = 1.0
# For so long the most batches of a title that were here at the same time are remembered.
_PEAK_SECONDS = 60.0
_ENDED = frozenset({"title_finished", "title_failed", "title_cancelled"})


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

    Attributes:
        pools: what is known about the pools.
        speeds: of their pods.
        titles: that have no outcome yet.
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
        self.pools = KnownPools(scheduler, self.speeds, clock)
        self._encoders_asked_at = -math.inf
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
        streams = {worker.stream for worker in self._scheduler.connected_workers()}
        self._first_leases = {stream: at for stream, at in self._first_leases.items() if stream in streams}
        self.pools.sample()
        if self._encoders_asked_at < now - FORGET_POOL_SECONDS:
            metrics.remove_scaled_pool("encoder")
        titles, wall_now = self.titles.titles(), self._wall_clock()
        metrics.FRAMES_LEFT.set(sum(title.frames_left for title in titles))
        metrics.TITLES_OVERDUE.set(sum(0 < title.progress.deadline < wall_now for title in titles))

    def pods(self, pool: ScaledPool) -> PodsWanted:
        """How many pods a pool should have, and why.

        Anyone may ask. So the answer holds for the pool as it is described here, and only a description that is
        believed counts in the answers for other pools.

        Args:
            pool: as it is scaled now.
        """
        remembered = self.pools.describe(pool)
        states = self.pools.states(pool)
        answer = pods_wanted(states, self.loads(states, pool))[pool.name]
        (state,) = [each for each in states if each.name == pool.name]
        if answer.reason == "cheaper_pool" and not state.proven:
            self.pools.record_yielded(pool.name)
        if remembered:
            self.pools.record_missing(pool.name, answer.pods - state.pods)
            metrics.set_pods_wanted(pool.name, answer.pods, answer.reason)
        return answer

    def encoders(self, segments_per_pod: float) -> int:
        """How many encoders are wanted: by the segments of which restored frames wait, and one for any title."""
        self._encoders_asked_at = self._clock()
        titles = self.titles.titles()
        waiting = sum(title.segments_to_encode for title in titles)
        return max(math.ceil(waiting / segments_per_pod), 1 if titles or self._scheduler.pending_batches() else 0)

    def loads(self, states: list[PoolState], asked: ScaledPool) -> list[TitleLoad]:
        """What is left of each title that is not done, for the pools of `KnownPools.states(asked)`."""
        able = partial(self.pools.able, states=states, asked=asked)
        now = self._wall_clock()
        pending: dict[tuple[str, int], list[QueuedBatch]] = {}
        for batch in self._scheduler.pending_batches():
            pending.setdefault((batch.key.run, batch.key.attempt), []).append(batch)
        loads = []
        for key, title in ({(title.run, title.attempt): title for title in self.titles.titles()}).items():
            if load := self._load(title, pending.pop(key, []), able, now):
                loads.append(load)
        # Titles without reports: their decoder has an earlier version.
        loads += [
            TitleLoad(
                pixels=sum(batch.pixels for batch in batches),
                seconds=(batches[0].deadline or now + self._target_seconds) - now,
                pools=able(batches[0].model_sha256, batches[0].engine),
                batches=self._peak(key),
            )
            for key, batches in pending.items()
        ]
        return loads

    def _record_restored(self, batch: QueuedBatch, worker: ConnectedWorker, seconds: float) -> None:
        hello = worker.hello
        self.titles.record_restored(batch)
        self.pools.record_restored(hello.pool)
        self.speeds.record_batch(
            hello.pool, frames=batch.frames, pixels=batch.pixels, seconds=seconds, parallel=hello.parallel
        )
        first = self._first_leases.get(worker.stream)
        if first is not None:
            self.speeds.record_first_batch(hello.pool, self._clock() - first)
            self._first_leases[worker.stream] = None

    def _load(
        self, title: TitleUnderWay, pending: list[QueuedBatch], able: Callable[[str, str], frozenset[str]], now: float
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
            pools=able(model, progress.engine),
            batches=self._peak((title.run, title.attempt)),
        )

    def _peak(self, key: tuple[str, int]) -> int:
        return max((sample.batches[key] for sample in self._samples), default=0)
