"""How fast the pods of each pool restore, measured from their receipts. No clock, thread or network."""

from __future__ import annotations

from dataclasses import dataclass

# After so many seconds of a pod's work a measurement counts half: films differ, and so do machines of one pool.
_HALF_LIFE_SECONDS = 300.0
# No batch is restored so fast or takes so long. Anything else would decide about the pool for hours, or for ever.
_LEAST_SECONDS, _MOST_SECONDS = 1e-6, 86_400.0
# The weight of the latest first batch of a pod. Few pods start, so each of them counts much.
_FIRST_BATCH_WEIGHT = 0.5


@dataclass(slots=True)
class _Speed:
    """Sums over the batches of a pool, the latest with the most weight.

    Attributes:
        seconds: that pods worked.
        pixels: restored in them, as luma samples of the source.
        frames: restored in them.
        first_batch_seconds: from a new pod's first lease to its first receipt; 0 before the first pod.
    """

    seconds: float = 0.0
    pixels: float = 0.0
    frames: float = 0.0
    first_batch_seconds: float = 0.0


class PoolSpeeds:
    """The speed of a pod of each pool while it works.

    The seconds are those that the workers measured. So the time in which a pod waits for work does not count, and it
    does not matter how many dispatchers share the worker. A worker of an earlier version measures nothing, and changes
    nothing here.
    """

    def __init__(self) -> None:
        self._pools: dict[str, _Speed] = {}

    def record_batch(self, pool: str, *, frames: int, pixels: int, seconds: float, parallel: int) -> None:
        """Counts a restored batch.

        Args:
            pool: of the worker.
            frames: of the batch.
            pixels: luma samples of all of its frames.
            seconds: wall seconds that one thread of the worker restored it; what cannot be is ignored.
            parallel: batches that the worker restores at the same time.
        """
        if not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
            return
        speed = self._pools.setdefault(pool, _Speed())
        # The pod worked on other batches in the same seconds.
        pod_seconds = seconds / parallel
        kept = 0.5 ** (pod_seconds / _HALF_LIFE_SECONDS)
        speed.seconds = kept * speed.seconds + pod_seconds
        speed.pixels = kept * speed.pixels + pixels
        speed.frames = kept * speed.frames + frames

    def record_first_batch(self, pool: str, seconds: float) -> None:
        """Counts the time from a new pod's first lease to its first receipt."""
        speed = self._pools.setdefault(pool, _Speed())
        known = speed.first_batch_seconds or seconds
        speed.first_batch_seconds = known + _FIRST_BATCH_WEIGHT * (seconds - known)

    def forget(self, pool: str) -> None:
        """Forgets what was measured of a pool."""
        self._pools.pop(pool, None)

    def pixels_per_second(self, pool: str) -> float | None:
        """Luma samples of the source that a pod restores in a second; None before its pool's first batch."""
        speed = self._pools.get(pool)
        return speed.pixels / speed.seconds if speed and speed.seconds and speed.pixels else None

    def frames_per_second(self, pool: str) -> float:
        """Frames that a pod restores in a second; 0 before its pool's first batch."""
        speed = self._pools.get(pool)
        return speed.frames / speed.seconds if speed and speed.seconds else 0.0

    def first_batch_seconds(self, pool: str) -> float:
        """Seconds from a new pod's first lease to its first receipt; 0 before the first pod."""
        speed = self._pools.get(pool)
        return speed.first_batch_seconds if speed else 0.0
