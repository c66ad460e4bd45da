"""Progress of a title as its Restoration shows it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from reelwright.controller.resources import Counted, RestorationSpec
from reelwright.controller.restoration_facts import RunFacts

# Segments are committed in bursts, so the speed is that of several minutes.
_WINDOW_SECONDS = 600.0
# A forecast beyond this says nothing, and RFC 3339 ends with the year 9999.
_LONGEST_FORECAST_SECONDS = 10 * 365 * 86400.0


class SpeedMeter:
    """The speeds of titles under way, from what the ledger says at each look. Not thread-safe for one title.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # Of each run: when a number of frames was seen first, the oldest first.
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def measure(self, run: str, done: int, total: int) -> tuple[float | None, datetime | None]:
        """The speed of a title in frames per second, and when it will be done; None while that is not known.

        Both stay the same until the next frames are done.

        Args:
            run: name of the run.
            done: its committed frames.
            total: frames of the film.
        """
        seen, now = self._seen.setdefault(run, deque()), self._clock()
        if not seen or done < seen[-1][1]:
            seen.clear()
        if not seen or done > seen[-1][1]:
            seen.append((now, done))
        while len(seen) > 2 and seen[0][0] < now - _WINDOW_SECONDS:
            seen.popleft()
        (began, first), (last_at, last) = seen[0], seen[-1]
        if last == first or last_at <= began:
            return None, None
        speed = (last - first) / (last_at - began)
        left = max(0, total - last) / speed
        eta = datetime.fromtimestamp(round(last_at + left), UTC) if left < _LONGEST_FORECAST_SECONDS else None
        return round(speed, 2), eta

    def forget(self, run: str) -> None:
        """Drops what is known of a title that has ended."""
        self._seen.pop(run, None)


def unix_deadline(spec: RestorationSpec) -> float:
    """The deadline in Unix seconds, as a request has it; 0 if there is none."""
    return spec.deadline.timestamp() if spec.deadline is not None else 0.0


def progress_of(title: RunFacts) -> dict[str, Any]:
    """The fields of a status that show the progress: progress, frames, segments, frames_per_second."""
    run = title.run
    finished = run.state == "finished"
    known = run.frames > 0
    share = 100 * run.frames_committed // run.frames if known else 0
    fields: dict[str, Any] = {
        # An estimate may be too low; 100% is for a film that is there.
        "progress": f"{share if finished else min(share, 99)}%",
        "frames": Counted(done=run.frames_committed, total=run.frames) if known else None,
        "frames_per_second": None if finished else title.frames_per_second,
    }
    # The outcome of a run holds no segments; those shown last stay.
    if not finished:
        counted = Counted(done=run.segments_committed, total=run.segments_planned)
        fields["segments"] = counted if run.segments_planned else None
    return fields
