"""Reports models and engines that queued batches need and no worker has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reelwright.dispatcher.ready_queue import UnservedModel
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)


class UnservedModels:
    """Counts batches that no worker can restore, and logs each such model and engine once until a worker has it.

    Args:
        seconds: how long a model must go unserved before it is logged: workers restart, and pods take time to start.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._since: dict[tuple[str, str], float] = {}
        self._logged: set[tuple[str, str]] = set()

    def report(self, unserved: Sequence[UnservedModel], *, workers: int) -> None:
        """Updates the metric and logs; must be called several times a second.

        Args:
            unserved: what no worker has at present.
            workers: number of connected workers.
        """
        metrics.BATCHES_UNSERVED.set(sum(model.batches for model in unserved))
        now = self._clock()
        by_key = {(model.sha256, model.engine): model for model in unserved}
        self._since = {key: self._since.get(key, now) for key in by_key}
        self._logged &= by_key.keys()
        for key, since in self._since.items():
            if key not in self._logged and now - since >= self._seconds:
                self._logged.add(key)
                model = by_key[key]
                log.warning(
                    "no worker serves model",
                    model=model.name,
                    model_sha256=model.sha256,
                    engine=model.engine,
                    batches=model.batches,
                    workers=workers,
                )
