"""How often a batch failed or was lost, which workers it avoids, and when it is given up."""

from __future__ import annotations

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
        failures: reported failures after which a batch is given up.
        exclusive_losses: workers lost while they restored a batch exclusively, after which it is given up.
    """

    failures: int
    exclusive_losses: int


@dataclass(slots=True)
class BatchHistory:
    """What happened to a batch so far.

    Attributes:
        failures: failures that workers reported.
        losses: leases that expired or whose worker was lost.
        exclusive_losses: those among them in which the batch was being restored exclusively.
        failed_by: names of the workers that failed or lost it.
        avoid_until: until when these workers are avoided, on the lease table's clock, in seconds.
        ended_leases: ids of its leases that ended without a receipt.
    """

    failures: int = 0
    losses: int = 0
    exclusive_losses: int = 0
    failed_by: set[str] = field(default_factory=set)
    avoid_until: float = 0.0
    ended_leases: set[str] = field(default_factory=set)

    @property
    def needs_exclusive_lease(self) -> bool:
        """Whether it was lost so often that it must be restored with nothing else under way."""
        return self.losses >= _LOSSES_BEFORE_EXCLUSIVE

    def avoid_worker(self, worker: str, *, until: float) -> None:
        """Records a worker that failed or lost the batch. All such workers are avoided until the given time."""
        self.failed_by.add(worker)
        self.avoid_until = until

    def avoided_workers(self, now: float) -> frozenset[str]:
        """Names of the workers that the batch should not go to at present if another can take it."""
        return frozenset(self.failed_by) if now < self.avoid_until else frozenset()

    def count_loss(self, *, while_exclusive: bool) -> None:
        """Counts a lease that expired or whose worker was lost."""
        self.losses += 1
        self.exclusive_losses += while_exclusive

    def exceeds(self, limits: RetryLimits) -> bool:
        """Whether the batch failed or was lost as often as it may."""
        return (
            self.failures >= limits.failures
            or self.exclusive_losses >= limits.exclusive_losses
            or self.losses >= _LOSSES_PER_EXCLUSIVE_LOSS * limits.exclusive_losses
        )
