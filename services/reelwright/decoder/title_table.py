"""The titles that a decoder is responsible for, and which of them is decoded next."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Literal

from reelwright.bus.protocol import Record, TopicPartition
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import TitleFailed

_MAX_STALL_SECONDS = 3600.0
_EMPTY_SECONDS = 5.0


@dataclass(slots=True, eq=False, kw_only=True)
class TitleState:
    """An attempt of a run, from its first record until its outcome.

    Only `TitleTable` changes it; any thread may read it.

    Attributes:
        request: as submitted last.
        records: the records that asked for it; acknowledged when the title has an outcome.
        stall_seconds: time without a commit after which the title is published again.
        window: of the present pass over the source.
        phase: waiting for a decode thread, decoding, or decoded to its end and waiting for the rest of the pipeline.
        segments: how many the title has; known once it is decoded.
        failure: why it failed, as a service reported it.
        unusable: segments that a service could not use, with the reasons; the next pass publishes them again.
        republished: how often each segment was published again.
        pass_began: when the present pass began, on the monotonic clock.
        not_before: when the next pass may begin, on the same clock.
        checked_at: when the ledger was last read for it, on the same clock; 0 to have it read at once.
        postponed: the last pass ended because something did not answer, or a store refused access to the source.
        refusals: passes in a row that ended because a store refused access to the source.
        ended: the ledger has an outcome.
        may_seek: a pass may begin at a later frame than the first (see `decoder.takeover`).
    """

    request: RunRequest
    records: list[Record]
    stall_seconds: float
    window: InFlightWindow
    phase: Literal["waiting", "decoding", "decoded"] = "waiting"
    segments: int = 0
    failure: TitleFailed | None = None
    unusable: dict[int, str] = field(default_factory=dict)
    republished: Counter[int] = field(default_factory=Counter)
    pass_began: float = 0.0
    not_before: float = 0.0
    checked_at: float = 0.0
    postponed: bool = False
    refusals: int = 0
    ended: bool = False
    may_seek: bool = True

    @property
    def run(self) -> str:
        """`request.run`: which restoration it is; a run may have several attempts here."""
        return self.request.run

    @property
    def attempt(self) -> int:
        """Number of the run's attempt that this is."""
        return self.request.attempt

    @property
    def committed(self) -> bool:
        """Whether it is decoded and every segment is committed, so that only its film is missing.

        True for a title without segments, too: its film is a copy of another run's.
        """
        return self.phase == "decoded" and len(self.window.committed) >= self.segments

    @property
    def state(self) -> str:
        """Its phase, or `committed` or `postponed`: one of `metrics.TITLE_STATES`.

        It is postponed from such a pass until a later one reaches a segment, whatever its phase is meanwhile.
        """
        if self.postponed and not (self.phase == "decoding" and self.window.used):
            return "postponed"
        return "committed" if self.committed else self.phase

    def may_begin(self, now: float) -> bool:
        """Whether a pass may begin as soon as a decode thread is free."""
        ended = self.ended or self.failure is not None
        return self.phase == "waiting" and self.not_before <= now and not ended


class TitleTable:
    """Titles by run and attempt. Thread-safe.

    Two attempts of a run are two titles: what happens to the earlier one does not concern the later one.

    Args:
        titles_per_class: titles of each priority class that are decoded at the same time.
        window: makes the window of a pass.
        stall_seconds: of a new title; see TitleState.
    """

    def __init__(self, titles_per_class: int, window: Callable[[], InFlightWindow], stall_seconds: float) -> None:
        self._titles_per_class, self._window, self._stall_seconds = titles_per_class, window, stall_seconds
        self._titles: dict[tuple[str, int], TitleState] = {}
        self._lock = threading.Lock()
        self._added = threading.Condition(self._lock)
        self._closed = False

    def __len__(self) -> int:
        return len(self._titles)

    def add_request(self, request: RunRequest, record: Record) -> None:
        """Adds a title, or another record that asks for a title that is here."""
        with self._lock:
            key = (request.run, request.attempt)
            title = self._titles.get(key)
            if title is None:
                self._titles[key] = TitleState(
                    request=request, records=[record], stall_seconds=self._stall_seconds, window=self._window()
                )
                self._added.notify_all()
            else:
                title.records.append(record)
                title.request = request

    def wait_while_empty(self) -> None:
        """Waits until there is a title, for some seconds at most; does not wait after `close`."""
        with self._lock:
            self._added.wait_for(lambda: self._titles or self._closed, _EMPTY_SECONDS)

    def close(self) -> None:
        """Ends every wait."""
        with self._lock:
            self._closed = True
            self._added.notify_all()

    def get(self, run: str, attempt: int) -> TitleState | None:
        """The title of an attempt; None when it is not here."""
        with self._lock:
            return self._titles.get((run, attempt))

    def titles(self) -> list[TitleState]:
        """A copy of the list, in the order in which they were added."""
        with self._lock:
            return list(self._titles.values())

    def count(self, state: str) -> int:
        """How many titles have a state of `TitleState.state`."""
        return sum(title.state == state for title in self.titles())

    def oldest_seconds(self) -> float:
        """Seconds since the oldest title was submitted; 0 without one, or without a time of submission."""
        submitted = [title.request.submitted for title in self.titles() if title.request.submitted]
        return max(0.0, time.time() - min(submitted)) if submitted else 0.0

    def start_next_pass(self) -> TitleState | None:
        """Begins a pass over the title that is due first, with a new window; None when no title may begin."""
        now = time.monotonic()
        with self._lock:
            busy = Counter(title.request.priority_class for title in self._titles.values() if title.phase == "decoding")
            ready = [
                title
                for title in self._titles.values()
                if title.may_begin(now) and busy[title.request.priority_class] < self._titles_per_class
            ]
            if not ready:
                return None
            title = min(ready, key=lambda candidate: candidate.request.due)
            title.phase, title.pass_began, title.window = "decoding", now, self._window()
            return title

    def finish_pass(self, title: TitleState, segments: int | None, *, pause_seconds: float = 0.0) -> None:
        """Ends a pass over a title.

        Args:
            title: the title.
            segments: how many it has, all of them published; None to begin another pass.
            pause_seconds: time before that pass; more than 0 postpones the title.
        """
        with self._lock:
            # Before the phase, which other threads read with it.
            title.segments, title.postponed = segments or 0, pause_seconds > 0
            # `restart` may have closed the window just as the pass reached its end.
            title.phase = "waiting" if segments is None or title.window.closed else "decoded"
            title.not_before = time.monotonic() + pause_seconds

    def restart(self, title: TitleState) -> None:
        """Has another pass begin, which skips the committed segments."""
        with self._lock:
            _restart(title)

    def restart_stalled(self, title: TitleState) -> None:
        """Restarts a title that makes no progress, and doubles the time until it counts as stalled again."""
        with self._lock:
            title.stall_seconds = min(2 * title.stall_seconds, _MAX_STALL_SECONDS)
            _restart(title)

    def add_unusable_segment(self, title: TitleState, segment: int, reason: str) -> None:
        """Notes that a service could not use what was published of a segment."""
        with self._lock:
            title.unusable[segment] = reason

    def take_unusable_segments(self, title: TitleState, committed: Container[int]) -> dict[int, str]:
        """Removes and returns the unusable segments that are not committed, with the reasons, and counts them.

        Args:
            title: the title.
            committed: segments that the ledger has.
        """
        with self._lock:
            taken = {segment: reason for segment, reason in title.unusable.items() if segment not in committed}
            title.unusable.clear()
            title.republished.update(taken.keys())
            return taken

    def mark_failed(self, title: TitleState, failure: TitleFailed) -> None:
        """Notes a failure; the pass under way ends and no other begins."""
        with self._lock:
            title.failure, title.checked_at = failure, 0.0
            title.window.close()

    def count_refusal(self, title: TitleState) -> int:
        """Counts a pass that ended because a store refused access to the source; returns how many did in a row."""
        with self._lock:
            # In a pass that reached a segment the source was allowed for a while.
            title.refusals = 1 if title.window.used else title.refusals + 1
            return title.refusals

    def forbid_seeking(self, title: TitleState) -> None:
        """Has each further pass begin at the title's first frame."""
        with self._lock:
            title.may_seek = False

    def mark_ended(self, title: TitleState) -> None:
        """Notes that the ledger has an outcome; no other pass begins."""
        with self._lock:
            title.ended, title.checked_at = True, 0.0

    def mark_checked(self, title: TitleState, now: float) -> None:
        """Notes when the ledger was read for a title; 0 has it read at once."""
        with self._lock:
            title.checked_at = now

    def remove(self, title: TitleState) -> list[Record]:
        """Removes a title that has an outcome; returns its records, which are to be acknowledged."""
        with self._lock:
            self._titles.pop((title.run, title.attempt), None)
            title.window.close()
            return list(title.records)

    def retain_partitions(self, assignment: Container[TopicPartition]) -> None:
        """Removes the titles of all other partitions: another decoder has them now."""
        with self._lock:
            for title in list(self._titles.values()):
                if title.records[-1].topic_partition not in assignment:
                    title.window.close()
                    del self._titles[title.run, title.attempt]

    def close_windows(self) -> None:
        """Ends every pass, because the decoder stops."""
        with self._lock:
            for title in self._titles.values():
                title.window.close()


def _restart(title: TitleState) -> None:
    title.window.close()
    if title.phase == "decoded":
        title.phase = "waiting"
