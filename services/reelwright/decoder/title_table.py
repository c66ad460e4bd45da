"""The titles a decoder answers for, and which of them is decoded next."""

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

# A title that nobody set a deadline for is due a day after it was asked for: behind the urgent ones, but not for ever.
_DUE_SECONDS = 86_400.0


@dataclass(slots=True, eq=False)
class TitleState:
    """A title from its first record until its outcome.

    Attributes:
        request: what was asked for.
        records: the records that asked for it; done when there is an outcome.
        state: waiting for a thread, on one, or decoded to its end and waiting for the rest of the pipeline.
        window: of the present pass over the source.
        segments: how many it has; known once decoded.
        failure: why it must end, when some service said so.
        wanted: segments that some service could not use, for the next pass.
        passes: how often each segment was wanted.
        began: when the present pass began, on the monotonic clock.
        not_before: when the next pass may begin.
        looked: when the ledger was last asked about it.
        over: the ledger has an outcome.
        stall_seconds: time without a commit after which it is passed over again.
    """

    request: RunRequest
    records: list[Record]
    stall_seconds: float
    window: InFlightWindow
    state: Literal["waiting", "decoding", "decoded"] = "waiting"
    segments: int = 0
    failure: TitleFailed | None = None
    wanted: dict[int, str] = field(default_factory=dict)
    passes: Counter[int] = field(default_factory=Counter)
    began: float = 0.0
    not_before: float = 0.0
    looked: float = 0.0
    over: bool = False

    @property
    def run(self) -> str:
        """Its run."""
        return self.request.run

    @property
    def due(self) -> float:
        """Unix seconds by which it is wanted."""
        return self.request.deadline or self.request.submitted + _DUE_SECONDS

    def may_begin(self, now: float) -> bool:
        """Whether it waits for nothing but a thread."""
        ended = self.over or self.failure is not None
        return self.state == "waiting" and self.not_before <= now and not ended


class TitleTable:
    """Titles by run. Thread-safe.

    Args:
        slots: titles of each priority class that are decoded at the same time.
        window: makes the window of a pass.
        stall_seconds: see Title.
    """

    def __init__(self, slots: int, window: Callable[[], InFlightWindow], stall_seconds: float) -> None:
        self._slots, self._window, self._stall = slots, window, stall_seconds
        self._titles: dict[str, TitleState] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._titles)

    def take(self, request: RunRequest, record: Record) -> None:
        """A title was asked for, for the first time or again."""
        with self._lock:
            title = self._titles.get(request.run)
            if title is not None:
                title.records.append(record)
                title.request = request
            else:
                self._titles[request.run] = TitleState(request, [record], self._stall, self._window())

    def get(self, run: str) -> TitleState | None:
        """The title of a run, if it is held here."""
        with self._lock:
            return self._titles.get(run)

    def all(self) -> list[TitleState]:
        """Every title that is held."""
        with self._lock:
            return list(self._titles.values())

    def begin(self) -> TitleState | None:
        """The title to decode next, which is then under way with a new window; None when none may begin."""
        now = time.monotonic()
        with self._lock:
            busy = Counter(_class(title) for title in self._titles.values() if title.state == "decoding")
            ready = [
                title for title in self._titles.values() if title.may_begin(now) and busy[_class(title)] < self._slots
            ]
            if not ready:
                return None
            title = min(ready, key=lambda candidate: candidate.due)
            title.state, title.began, title.window = "decoding", now, self._window()
            return title

    def passed(self, title: TitleState, segments: int | None, pause: float = 0.0) -> None:
        """A pass over a title ended: with all of its segments published, or with None, to begin again after a pause."""
        with self._lock:
            # A pass that was told to begin again as it reached its end begins again.
            title.state = "waiting" if segments is None or title.window.ended else "decoded"
            title.segments = segments or 0
            title.not_before = time.monotonic() + pause

    def again(self, title: TitleState) -> None:
        """Has a title passed over again from what is committed."""
        with self._lock:
            title.window.end()
            if title.state == "decoded":
                title.state = "waiting"

    def remove(self, title: TitleState, records: int) -> list[Record]:
        """Forgets a title that has an outcome.

        Args:
            title: the title.
            records: how many of its records were there when the outcome was read; those that came later ask for it
                anew.

        Returns:
            The records that are done.
        """
        with self._lock:
            self._titles.pop(title.run, None)
            title.window.end()
            later = title.records[records:]
            if later:
                self._titles[title.run] = TitleState(title.request, later, self._stall, self._window())
            return title.records[:records]

    def keep_only(self, assignment: Container[TopicPartition]) -> None:
        """Forgets the titles whose partitions another decoder has now."""
        with self._lock:
            for title in list(self._titles.values()):
                if title.records[-1].topic_partition not in assignment:
                    title.window.end()
                    del self._titles[title.run]

    def end_all(self) -> None:
        """Ends every pass, because the decoder stops."""
        with self._lock:
            for title in self._titles.values():
                title.window.end()


def _class(title: TitleState) -> str:
    return title.request.priority_class
