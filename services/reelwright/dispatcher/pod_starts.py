"""How long the pods of a pool take from their request to their connection, measured. No clock, thread or network."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

# The weight of the latest start. Few pods start, so each of them counts much.
_START_WEIGHT = 0.5
# Pods that have not come after this multiple of their start time, and a minute, do not count on.
_FAILED_STARTS = 3.0
_FAILED_SECONDS = 60.0
# A worker that was away for longer counts as a new pod.
_FORGET_WORKER_SECONDS = 3600.0


def failed_after(start_seconds: float) -> float:
    """Seconds after which a pod that was asked for is not expected any more.

    Args:
        start_seconds: that pods of its pool take to start.
    """
    return _FAILED_STARTS * start_seconds + _FAILED_SECONDS


class PodStarts:
    """The starts of a pool's pods.

    The time runs from the answer by which a pod was asked for until its worker connects, so it has everything between:
    the autoscaler, the scheduler, a new node, the image, the process. A worker that comes without having been asked
    for, such as one that replaces another in a rollout, measures nothing, nor does one that connects again.
    """

    def __init__(self) -> None:
        # When each pod that has not come was asked for, the oldest first.
        self._requested: deque[float] = deque()
        # When each worker was connected last.
        self._seen: dict[str, float] = {}
        self._seconds: float | None = None

    def seconds(self, estimate: float) -> float:
        """Seconds from the request for a pod until it connects.

        Args:
            estimate: what holds before the first measurement.
        """
        return estimate if self._seconds is None else self._seconds

    def see(self, workers: Collection[str], estimate: float, now: float) -> None:
        """Counts the workers that have connected since the last call.

        Args:
            workers: names of the connected workers.
            estimate: as of `seconds`.
            now: the time, on a monotonic clock.
        """
        new = [name for name in workers if name not in self._seen]
        self._seen.update(dict.fromkeys(workers, now))
        self._seen = {name: at for name, at in self._seen.items() if now - at < _FORGET_WORKER_SECONDS}
        for _ in new:
            if self._requested:
                known = self.seconds(estimate)
                # There may have been no such machine for hours, which says little about the next start.
                measured = min(now - self._requested.popleft(), failed_after(known))
                self._seconds = known + _START_WEIGHT * (measured - known)

    def request(self, pods: int, now: float) -> None:
        """Notes how many pods are missing now: more are asked for, or the latest requests are taken back.

        Args:
            pods: that are wanted and not connected.
            now: the time, on the same clock.
        """
        while len(self._requested) > max(0, pods):
            self._requested.pop()
        self._requested.extend([now] * (pods - len(self._requested)))
