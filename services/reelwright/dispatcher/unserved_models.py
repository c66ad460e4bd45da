"""Notices models that batches wait for and no worker serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)


class UnservedModels:
    """Counts batches that nobody can restore, and names their models in the log: each once, until a worker serves it.

    Args:
        seconds: how long a model goes unserved before the log says so; workers come, restart and go.
        clock: seconds that only rise.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def watch(self, waiting: Mapping[str, tuple[str, int]], workers: int) -> None:
        """To be called a few times a second.

        Args:
            waiting: the models that no worker serves, by SHA-256: their name, and how many batches wait.
            workers: how many workers are connected.
        """
        metrics.BATCHES_UNSERVED.set(sum(count for _, count in waiting.values()))
        now = self._clock()
        self._since = {sha256: self._since.get(sha256, now) for sha256 in waiting}
        self._told &= waiting.keys()
        for sha256, since in self._since.items():
            if sha256 not in self._told and now - since >= self._seconds:
                self._told.add(sha256)
                name, count = waiting[sha256]
                what = {"model": name, "model_sha256": sha256, "batches": count, "workers": workers}
                log.warning("no worker serves the model that batches wait for", **what)
