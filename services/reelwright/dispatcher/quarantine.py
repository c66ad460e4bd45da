"""Finds broken workers: those that fail batches which other workers restore. No thread or network."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable

# Of a worker's latest batches. A worker that fails fewer than `runs` of these costs little: others restore them.
_LATEST_BATCHES = 20


class WorkerQuarantine:
    """The workers that get no more leases.

    A batch that every worker fails says nothing about a worker, so a failure counts against a worker only when another
    one has restored the batch afterwards. Several runs are needed because a film can be too large for a small GPU.

    Args:
        runs: runs of which a worker failed batches, among its latest 20 batches, after which it is quarantined.
        seconds: how long a worker of the same name is refused.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, runs: int, seconds: float, clock: Callable[[], float]) -> None:
        self._runs, self._seconds, self._clock = runs, seconds, clock
        # Of each worker's latest batches the run that it failed, or an empty text for a batch that it restored.
        self._latest: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_LATEST_BATCHES))
        self._until: dict[str, float] = {}
        # Of each of these workers the streams that were refused.
        self._refusals: Counter[str] = Counter()

    def count_restored(self, worker: str) -> None:
        """Records that a worker restored a batch."""
        self._latest[worker].append("")

    def count_failed(self, worker: str, run: str) -> bool:
        """Records that a worker failed a batch which another worker restored.

        Returns:
            Whether the worker must be quarantined.
        """
        self._latest[worker].append(run)
        return len(set(self._latest[worker]) - {""}) >= self._runs

    def add_worker(self, worker: str) -> None:
        """Puts a worker in quarantine."""
        now = self._clock()
        self._until = {name: until for name, until in self._until.items() if until > now}
        self._until[worker] = now + self._seconds
        self._refusals = Counter({name: self._refusals[name] for name in self._until if name != worker})

    def count_refusal(self, worker: str) -> int:
        """Records that a stream of a worker in quarantine was refused; returns how many were, since it was added."""
        self._refusals[worker] += 1
        return self._refusals[worker]

    def forget(self, worker: str) -> None:
        """Forgets the batches of a worker that has disconnected; its quarantine stays."""
        self._latest.pop(worker, None)

    def __contains__(self, worker: str) -> bool:
        return self._until.get(worker, 0.0) > self._clock()
