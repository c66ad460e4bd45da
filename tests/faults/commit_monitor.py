"""Records when segments are committed, by listing the ledger in the store."""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_right
from itertools import pairwise
from types import TracebackType

from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.store_client import StoreClient

_POLL_SECONDS = 0.4
# A segment's record is its commit; the outcome is the commit of its title.
_COMMIT = re.compile(r"[^/]+/(segments/\d+\.json|outcome\.json)$")


class CommitMonitor:
    """Times of commits, exact to about half a second, from construction on; a context manager.

    Args:
        store: the store, reached without a proxy.
        prefix: the ledger's root in it.
    """

    def __init__(self, store: StoreClient, prefix: str) -> None:
        self._store, self._prefix = store, prefix
        self._known: set[str] = set()
        self._times: list[float] = [time.monotonic()]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commits", daemon=True)

    def __enter__(self) -> CommitMonitor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def count(self) -> int:
        """Number of commits so far."""
        return len(self._known)

    @property
    def seconds_since_last(self) -> float:
        """Seconds since the last commit."""
        return time.monotonic() - self._times[-1]

    def longest_gap(self, since: float = 0.0) -> float:
        """The longest time between two commits, in seconds.

        Args:
            since: a moment of `time.monotonic`; gaps that end before it are left out.
        """
        return max((b - a for a, b in pairwise(list(self._times)) if b > since), default=0.0)

    def seconds_to_next(self, moment: float) -> float | None:
        """Seconds from a moment of `time.monotonic` to the first commit after it; None before there is one."""
        index = bisect_right(self._times, moment)
        return self._times[index] - moment if index < len(self._times) else None

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                names = self._store.names(self._prefix)
            except (BotoCoreError, ClientError):
                continue  # the store is down, and nothing can be committed meanwhile
            new = {name for name in names if _COMMIT.search(name)} - self._known
            if new:
                self._known |= new
                self._times.append(time.monotonic())
