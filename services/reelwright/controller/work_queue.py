"""The work queue: keys in the order of their arrival, each once, with delays and a growing pause after failures.

As client-go's: a key that is added while it is worked on is worked on again afterwards, and never by two at once.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_FIRST_PAUSE_SECONDS = 1.0
_MOST_DOUBLINGS = 32


class WorkQueue(Generic[Key]):
    """Keys to work on. Thread-safe.

    Args:
        longest_pause: seconds; the pause after each failure of a key in a row doubles from one second to this.
        clock: monotonic seconds.
    """

    def __init__(self, longest_pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest, self._clock = longest_pause, clock
        self._ready: OrderedDict[Key, None] = OrderedDict()
        # When each waiting key is due; the heap may hold earlier entries of a key, which no longer count.
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._entries = 0
        self._working: set[Key] = set()
        self._again: OrderedDict[Key, None] = OrderedDict()
        self._returned: set[Key] = set()
        self._failures: Counter[Key] = Counter()
        self._closed = False
        self._condition = threading.Condition()

    def add_key(self, key: Key) -> None:
        """Adds a key to be worked on now; a pause that it waits for is over."""
        with self._condition:
            self._due.pop(key, None)
            (self._again if key in self._working else self._ready)[key] = None
            self._condition.notify()

    def add_after(self, key: Key, seconds: float) -> None:
        """Adds a key to be worked on later; earlier if it is due earlier already."""
        with self._condition:
            due = self._clock() + seconds
            if key in self._ready or key in self._again or self._due.get(key, due + 1) <= due:
                return
            self._due[key] = due
            self._entries += 1
            heapq.heappush(self._heap, (due, self._entries, key))
            self._condition.notify()

    def return_key(self, key: Key) -> None:
        """Has a key that was taken be the next one again after `done`, because the work on it could not begin."""
        with self._condition:
            self._again[key] = None
            self._returned.add(key)

    def add_failed(self, key: Key) -> float:
        """Adds a key after its next pause; the seconds of that pause."""
        with self._condition:
            pause = min(self._longest, _FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures[key], _MOST_DOUBLINGS))
            self._failures[key] += 1
        self.add_after(key, pause)
        return pause

    def forget_failures(self, key: Key) -> None:
        """Has the next failure of a key begin with the shortest pause."""
        with self._condition:
            self._failures.pop(key, None)

    def take_key(self, timeout: float) -> Key | None:
        """The next key, which nobody else gets until `done`; None when there is none within `timeout` seconds."""
        end = self._clock() + timeout
        with self._condition:
            while not self._closed:
                self._collect_due()
                if self._ready:
                    key = self._ready.popitem(last=False)[0]
                    self._working.add(key)
                    return key
                wait = min(end, self._heap[0][0] if self._heap else end) - self._clock()
                if end <= self._clock():
                    return None
                self._condition.wait(max(wait, 0.001))
            return None

    def done(self, key: Key) -> None:
        """Ends the work on a key that was taken."""
        with self._condition:
            self._working.discard(key)
            if key in self._again:
                del self._again[key]
                self._due.pop(key, None)
                self._ready[key] = None
                if key in self._returned:
                    self._returned.discard(key)
                    self._ready.move_to_end(key, last=False)
                self._condition.notify()

    def close(self) -> None:
        """Has every `take` return None at once."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def __len__(self) -> int:
        """How many keys are ready to be worked on."""
        with self._condition:
            self._collect_due()
            return len(self._ready)

    def _collect_due(self) -> None:
        while self._heap and self._heap[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                (self._again if key in self._working else self._ready)[key] = None
