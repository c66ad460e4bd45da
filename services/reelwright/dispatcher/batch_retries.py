"""How often a batch failed or was lost, which workers it avoids, and when it is given up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

Cause = Literal["failure", "expiry", "disconnect", "release"]

# A worker that dies loses every batch it holds, so one loss says little about a batch. After two losses the batch may
# be the cause. Restoring it with nothing else under way shows whether it is.
_LOSSES_BEFORE_EXCLUSIVE = 2
# A batch that kills its worker before the worker starts it, for example by its size, is never lost while it is
# restored exclusively. It must be given up in the end, too.
_LOSSES_PER_EXCLUSIVE_LOSS = 4


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """When a batch is given up.

    Attributes:
        failures: workers that reported a failure, after which a batch is given up. When fewer workers can have it, it
            is given up after as many failures of all of them.
        exclusive_losses: workers lost while they restored a batch exclusively, after which it is given up.
    """

    failures: int
    exclusive_losses: int


@dataclass(slots=True, kw_only=True)
class BatchHistory:
    """What happened to a batch so far.

    Attributes:
        failures: failures that workers reported.
        failed_workers: names of the workers that reported them.
        losses: leases that expired or whose worker was lost.
        exclusive_losses: those among them in which the batch was being restored exclusively.
        returned_by: names of the workers that failed or lost it.
        avoid_until: until when these workers are avoided, on the lease table's clock, in seconds.
        ended_leases: ids of its leases that ended without a receipt.
    """

    failures: int = 0
    failed_workers: set[str] = field(default_factory=set)
    losses: int = 0
    exclusive_losses: int = 0
    returned_by: set[str] = field(default_factory=set)
    avoid_until: float = 0.0
    ended_leases: set[str] = field(default_factory=set)

    @property
    def needs_exclusive_lease(self) -> bool:
        """Whether it was lost so often that it must be restored with nothing else under way."""
        return self.losses >= _LOSSES_BEFORE_EXCLUSIVE

    def avoid_worker(self, worker: str, *, until: float) -> None:
        """Records a worker that failed or lost the batch. All such workers are avoided until the given time."""
        self.returned_by.add(worker)
        self.avoid_until = until

    def avoided_workers(self, now: float) -> frozenset[str]:
        """Names of the workers that the batch should not go to at present if another can take it."""
        return frozenset(self.returned_by) if now < self.avoid_until else frozenset()

    def count_failure(self, worker: str) -> None:
        """Counts a failure that a worker reported."""
        self.failures += 1
        self.failed_workers.add(worker)

    def count_loss(self, *, while_exclusive: bool) -> None:
        """Counts a lease that expired or whose worker was lost."""
        self.losses += 1
        self.exclusive_losses += while_exclusive

    def exceeds(self, limits: RetryLimits, candidates: Collection[str] | None) -> bool:
        """Whether the batch failed or was lost as often as it may.

        Args:
            limits: when it is given up.
            candidates: names of the workers that could have it now; None if unknown.
        """
        all_failed = candidates is not None and self.failed_workers.issuperset(candidates)
        return (
            len(self.failed_workers) >= limits.failures
            or (all_failed and self.failures >= limits.failures)
            or self.exclusive_losses >= limits.exclusive_losses
            or self.losses >= _LOSSES_PER_EXCLUSIVE_LOSS * limits.exclusive_losses
        )
