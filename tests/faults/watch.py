"""Watches the ledger from outside for signs of life."""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_right
from types import TracebackType

from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.store_client import StoreClient

_LOOK_SECONDS = 0.4
# A segment's record is its commit; an outcome, that of its title.
_COMMIT = re.compile(r"[^/]+/(segments/\d+\.json|outcome\.json)$")


class Commits:
    """When segments were committed, to about half a second, from construction on; a context manager.

    Args:
        shelf: the store, reached past every proxy.
        prefix: the ledger's root in it.
    """

    def __init__(self, shelf: StoreClient, prefix: str) -> None:
        self._shelf, self._prefix = shelf, prefix
        self._known: set[str] = set()
        self._times: list[float] = [time.monotonic()]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commits", daemon=True)

    def __enter__(self) -> Commits:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def count(self) -> int:
        """Commits so far."""
        return len(self._known)

    @property
    def quiet_seconds(self) -> float:
        """Time since the last commit."""
        return time.monotonic() - self._times[-1]

    @property
    def longest_silence(self) -> float:
        """The longest time between two commits."""
        return max((b - a for a, b in zip(self._times, self._times[1:], strict=False)), default=0.0)

    def after(self, moment: float) -> float | None:
        """Seconds from a moment (of `time.monotonic`) to the next commit; None when none came yet."""
        index = bisect_right(self._times, moment)
        return self._times[index] - moment if index < len(self._times) else None

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                names = self._shelf.names(self._prefix)
            except (BotoCoreError, ClientError):
                continue  # it is down, and while it is nothing is committed
            new = {name for name in names if _COMMIT.search(name)} - self._known
            if new:
                self._known |= new
                self._times.append(time.monotonic())
