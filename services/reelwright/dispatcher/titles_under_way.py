"""The titles that have no outcome yet, and what is left of each, as events tell. No thread or network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reelwright.dispatcher.queued_batch import QueuedBatch
from reelwright.wire.titles_pb2 import TitleProgress

# Decoders repeat what they tell at least once a minute. A title that nobody tells of any more has lost its end event,
# or belongs to a decoder that stopped; another decoder then tells of it.
FORGET_SECONDS = 180.0
_MAX_TITLES = 10_000


@dataclass(slots=True, eq=False)
class TitleUnderWay:
    """An attempt of a run without an outcome.

    Attributes:
        run: the run's id.
        attempt: number of the attempt.
        heard_at: when it was last heard of, on the table's clock, in seconds.
        progress: what its decoder told last; an empty message before.
        restored: frames of each segment that were restored and are not in `progress.frames_committed`.
        committed: those of these segments that are committed.
    """

    run: str
    attempt: int
    heard_at: float
    progress: TitleProgress = field(default_factory=TitleProgress)
    restored: dict[int, int] = field(default_factory=dict)
    committed: set[int] = field(default_factory=set)

    @property
    def frames_left(self) -> int:
        """Frames that are still to be restored; an estimate until the source was read to its end."""
        done = self.progress.frames_committed + sum(self.restored.values())
        return max(0, self.progress.frames - done)

    @property
    def segments_to_encode(self) -> int:
        """Segments of which restored frames wait for their commit."""
        return len(self.restored.keys() - self.committed)


class TitlesUnderWay:
    """What is known of the titles without an outcome.

    All of it is told again and again, so a dispatcher that starts knows it within a minute, and an event that is lost
    changes nothing for long.

    Args:
        clock: a monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._titles: dict[tuple[str, int], TitleUnderWay] = {}
        # Attempts that have ended, by run: their decoder may tell of them once more before it knows.
        self._ended: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._titles)

    def titles(self) -> list[TitleUnderWay]:
        """The titles."""
        return list(self._titles.values())

    def record_progress(self, run: str, attempt: int, progress: TitleProgress) -> None:
        """Notes what a decoder tells of a title."""
        if title := self._title(run, attempt):
            title.progress = progress
            for segment in title.committed:
                title.restored.pop(segment, None)
            title.committed.clear()

    def record_restored(self, batch: QueuedBatch) -> None:
        """Notes that a batch was restored."""
        if title := self._title(batch.key.run, batch.key.attempt):
            segment = batch.key.segment
            title.restored[segment] = title.restored.get(segment, 0) + batch.frames

    def record_commit(self, run: str, attempt: int, segment: int) -> None:
        """Notes that a segment was committed."""
        if title := self._titles.get((run, attempt)):
            title.committed.add(segment)

    def end(self, run: str, attempt: int) -> None:
        """Removes an attempt that has ended, and those before it."""
        self._ended.pop(run, None)
        self._ended[run] = attempt
        if len(self._ended) > _MAX_TITLES:
            del self._ended[next(iter(self._ended))]
        for key in [key for key in self._titles if key[0] == run and key[1] <= attempt]:
            del self._titles[key]

    def forget_silent(self) -> None:
        """Removes the titles that nobody tells of any more."""
        before = self._clock() - FORGET_SECONDS
        for key in [key for key, title in self._titles.items() if title.heard_at < before]:
            del self._titles[key]

    def _title(self, run: str, attempt: int) -> TitleUnderWay | None:
        """The title of an attempt, as heard of now; None when it has ended, or there are too many."""
        key = (run, attempt)
        if attempt <= self._ended.get(run, 0) or (key not in self._titles and len(self._titles) >= _MAX_TITLES):
            return None
        title = self._titles.setdefault(key, TitleUnderWay(run, attempt, 0.0))
        title.heard_at = self._clock()
        return title
