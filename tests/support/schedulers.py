"""A scheduler for tests, without a network, on a clock that the test moves."""

from __future__ import annotations

import itertools
from collections import defaultdict

from reelwright.dispatcher.connected_worker import WorkerHello
from reelwright.dispatcher.decisions import (
    BatchFinished,
    BatchGivenUp,
    BatchOutcome,
    BatchRejected,
    BatchUnusable,
    Decision,
    LeaseGranted,
    RunRevoked,
    StartAllowed,
    StreamClosed,
    WorkerQuarantined,
)
from reelwright.dispatcher.message_limits import OversizedBatches
from reelwright.dispatcher.quarantine import WorkerQuarantine
from reelwright.dispatcher.queued_batch import BatchKey, QueuedBatch
from reelwright.dispatcher.ready_queue import ReadyQueue
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.unserved_models import UnservedModels
from tests.support.lease_tables import ManualClock, lease_table

MAX_CREDITS = 12


def batch(
    run: str,
    number: int = 0,
    *,
    priority: str = "standard",
    model: str = "m",
    engine: str = "",
    value: bytes = b"",
    segment: int = 0,
    repeats: int = 0,
) -> QueuedBatch:
    """A batch of one frame."""
    return QueuedBatch(
        key=BatchKey(run, segment, number),
        priority=priority,
        model="name",
        model_sha256=model,
        engine=engine,
        first_frame=0,
        frames=1,
        film_frames=1 + repeats,
        pixels=1,
        deadline=None,
        value=value,
    )


class SchedulerHarness:
    """A scheduler, its clock and parts, and the decisions it has made."""

    def __init__(
        self,
        *,
        max_failures: int = 3,
        max_losses: int = 8,
        prefer_other_seconds: float = 10,
        quarantine_runs: int = 99,
    ) -> None:
        self.clock = ManualClock()
        self.table = lease_table(
            self.clock, max_failures=max_failures, max_losses=max_losses, prefer_other_seconds=prefer_other_seconds
        )
        self.queue = ReadyQueue(self.clock)
        self.scheduler = Scheduler(
            self.table,
            self.queue,
            UnservedModels(10, self.clock),
            WorkerQuarantine(quarantine_runs, 60, self.clock),
            oversized=OversizedBatches(60, self.clock),
            max_credits=MAX_CREDITS,
        )
        self._streams = itertools.count(1)
        self._granted: defaultdict[int, list[LeaseGranted]] = defaultdict(list)
        self._ended: list[BatchOutcome] = []
        self._others: list[RunRevoked | StartAllowed | WorkerQuarantined | StreamClosed] = []

    def connect(
        self,
        name: str,
        credits_: int = 0,
        models: frozenset[str] = frozenset({"m"}),
        *,
        engine: str = "one-1",
        pool: str = "default",
        parallel: int = 1,
        price_per_hour: float = 0.0,
        max_message_bytes: int = 0,
    ) -> int:
        """Connects a worker, which asks for batches; returns its stream."""
        stream = next(self._streams)
        hello = WorkerHello(
            name=name,
            session=f"session of {name}",
            models=models,
            engine=engine,
            pool=pool,
            parallel=parallel,
            price_per_hour=price_per_hour,
            max_message_bytes=max_message_bytes,
        )
        self.scheduler.connect_worker(stream, hello)
        self.scheduler.add_credits(stream, credits_)
        return stream

    def granted(self, stream: int) -> list[LeaseGranted]:
        """The leases granted to a worker so far."""
        self._collect()
        return self._granted[stream]

    def all_granted(self) -> list[LeaseGranted]:
        """The leases granted to any worker so far."""
        self._collect()
        return list(itertools.chain.from_iterable(self._granted.values()))

    def ended(self, kind: type[BatchOutcome]) -> list[BatchKey]:
        """The batches that ended in one way so far."""
        self._collect()
        return [outcome.batch.key for outcome in self._ended if isinstance(outcome, kind)]

    def all_ended(self) -> list[BatchKey]:
        """The batches that ended in any way so far."""
        self._collect()
        return [outcome.batch.key for outcome in self._ended]

    def other_decisions(self) -> list[RunRevoked | StartAllowed | WorkerQuarantined | StreamClosed]:
        """The decisions that neither grant a lease nor end a batch."""
        self._collect()
        return self._others

    def keep(self, decision: Decision) -> None:
        """Keeps a decision for the questions above."""
        match decision:
            case LeaseGranted():
                self._granted[decision.stream].append(decision)
            case BatchFinished() | BatchGivenUp() | BatchRejected() | BatchUnusable():
                self._ended.append(decision)
            case _:
                self._others.append(decision)

    def _collect(self) -> None:
        for decision in self.scheduler.pop_decisions():
            self.keep(decision)
