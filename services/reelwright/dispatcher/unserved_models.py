"""Reports models that queued batches need and no worker serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reelwright.dispatcher.ready_queue import UnservedModel
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)


class UnservedModels:
    """Counts batches that no worker can restore, and logs each such model once until a worker serves it.

    Args:
        seconds: how long a model must go unserved before it is logged: workers restart, and pods take time to start.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._since: dict[str, float] = {}
        self._logged: set[str] = set()

    def report(self, unserved: Mapping[str, UnservedModel], *, workers: int) -> None:
        """Updates the metric and logs; must be called several times a second.

        Args:
            unserved: the models that no worker serves at present, by SHA-256.
            workers: number of connected workers.
        """
        metrics.BATCHES_UNSERVED.set(sum(model.batches for model in unserved.values()))
        now = self._clock()
        self._since = {sha256: self._since.get(sha256, now) for sha256 in unserved}
        self._logged &= unserved.keys()
        for sha256, since in self._since.items():
            if sha256 not in self._logged and now - since >= self._seconds:
                self._logged.add(sha256)
                model = unserved[sha256]
                log.warning(
                    "no worker serves model",
                    model=model.name,
                    model_sha256=sha256,
                    batches=model.batches,
                    workers=workers,
                )
