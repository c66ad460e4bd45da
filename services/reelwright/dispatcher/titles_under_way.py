"""The titles that have no outcome yet, and what is left of each, as decoders report it. No thread or network."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from reelwright.dispatcher.queued_batch import QueuedBatch
from reelwright.titles.request import known_time
from reelwright.wire.titles_pb2 import TitleProgress

# Decoders repeat their reports at least once a minute. A title without reports has lost its end event, or belongs to a
# decoder that stopped; another decoder then reports it.
FORGET_SECONDS = 180.0
_MAX_TITLES = 10_000


@dataclass(slots=True, eq=False, kw_only=True)
class TitleUnderWay:
    """An attempt of a run without an outcome.

    Attributes:
        run: the run's id.
        attempt: number of the attempt.
        last_reported: when its last report arrived, on the table's clock, in seconds.
        progress: its decoder's last report; an empty message before.
        restored: of each segment that is not in `progress.frames_committed` the frames of each batch that was restored.
        committed: those of these segments that are committed.
    """

    run: str
    attempt: int
    last_reported: float
    progress: TitleProgress = field(default_factory=TitleProgress)
    restored: dict[int, dict[int, int]] = field(default_factory=dict)
    committed: set[int] = field(default_factory=set)

    @property
    def frames_left(self) -> int:
        """Frames that are still to be restored; an estimate until the source was read to its end."""
        restored = sum(sum(batches.values()) for batches in self.restored.values())
        return max(0, self.progress.frames - self.progress.frames_committed - restored)

    @property
    def segments_to_encode(self) -> int:
        """Segments of which restored frames wait for their commit."""
        return len(self.restored.keys() - self.committed)

    def is_reported(self, segment: int) -> bool:
        """Whether `progress.frames_committed` contains a segment."""
        if not self.progress.segments_committed:
            return False
        # The bounds of ranges, so after an odd number of them a range is open.
        return bisect_right(self.progress.segments_committed, segment) % 2 == 1


class TitlesUnderWay:
    """What is known of the titles without an outcome.

    Reports are repeated, so a dispatcher that starts knows all titles within a minute, and a lost event has no lasting
    effect.

    Args:
        clock: a monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._titles: dict[tuple[str, int], TitleUnderWay] = {}
        # Attempts that have ended, by run: their decoder may report them once more before it knows.
        self._ended: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._titles)

    def titles(self) -> list[TitleUnderWay]:
        """The titles, in no order."""
        return list(self._titles.values())

    def record_progress(self, run: str, attempt: int, progress: TitleProgress) -> None:
        """Records a decoder's report of a title."""
        if title := self._title(run, attempt):
            title.progress.CopyFrom(progress)
            title.progress.deadline = known_time(progress.deadline)
            title.progress.submitted = known_time(progress.submitted)
            # A decoder of an earlier version does not say which segments it counts.
            tells = bool(progress.segments_committed)
            for segment in list(title.restored):
                if title.is_reported(segment) if tells else segment in title.committed:
                    del title.restored[segment]
            title.committed &= title.restored.keys()

    def record_restored(self, batch: QueuedBatch) -> None:
        """Records that a batch was restored; one that was restored before, or is committed, is not counted again."""
        title, segment = self._title(batch.key.run, batch.key.attempt), batch.key.segment
        if title and not title.is_reported(segment):
            title.restored.setdefault(segment, {})[batch.key.batch] = batch.film_frames

    def record_commit(self, run: str, attempt: int, segment: int) -> None:
        """Records that a segment was committed."""
        if title := self._titles.get((run, attempt)):
            title.committed.add(segment)

    def remove_ended(self, run: str, attempt: int) -> None:
        """Removes an attempt that has ended, and those before it."""
        self._ended.pop(run, None)
        self._ended[run] = attempt
        if len(self._ended) > _MAX_TITLES:
            del self._ended[next(iter(self._ended))]
        for key in [key for key in self._titles if key[0] == run and key[1] <= attempt]:
            del self._titles[key]

    def forget_unreported(self) -> None:
        """Removes the titles without a report for `FORGET_SECONDS`."""
        before = self._clock() - FORGET_SECONDS
        for key in [key for key, title in self._titles.items() if title.last_reported < before]:
            del self._titles[key]

    def _title(self, run: str, attempt: int) -> TitleUnderWay | None:
        """The title of an attempt, reported now; None when it has ended, or there are too many."""
        key = (run, attempt)
        if attempt <= self._ended.get(run, 0) or (key not in self._titles and len(self._titles) >= _MAX_TITLES):
            return None
        title = self._titles.setdefault(key, TitleUnderWay(run=run, attempt=attempt, last_reported=0.0))
        title.last_reported = self._clock()
        return title
