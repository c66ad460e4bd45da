"""The index of a cluster's ledger: runs by state and class, so that no listing opens every run.

    index/unfinished/express/RUN-000001      written before the request of the attempt; no content
    index/failed/express/RUN-000001          EndedRun; written after the outcome, then the entry above is removed
    index/complete                           every run of the ledger has an entry

The documents of a run are the truth, and an unfinished entry only says where to read them: the process that ended the
attempt may have been killed before it could write that here.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple, get_args

from reelwright.ledger.documents import DocumentFolder
from reelwright.ledger.records import Outcome, OutcomeState
from reelwright.store.folder import Folder
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.titles.identity import is_run
from reelwright.titles.request import PriorityClass, RunRequest
from reelwright.titles.versions import VersionedDocument

_FOLDER = "index"
_COMPLETE = "complete"
_UNFINISHED = "unfinished"
_ENTRY = re.compile(r"([0-9a-f]{20})-([0-9]{6,})")
# Greater than the digits of an attempt's number.
_AFTER_ATTEMPTS = "~"

ENDED_STATES: tuple[OutcomeState, ...] = get_args(OutcomeState)
CLASSES: tuple[PriorityClass, ...] = get_args(PriorityClass)


class EndedRun(VersionedDocument):
    """What a listing shows of an attempt that has ended.

    Attributes:
        request: with which it was submitted last.
        outcome: how it ended.
    """

    request: RunRequest
    outcome: Outcome


class IndexEntry(NamedTuple):
    """An entry of the index.

    Attributes:
        run: name of the run.
        attempt: number of the attempt.
        ended: whether the entry says that the attempt has ended.
        name: of its file in the index.
    """

    run: str
    attempt: int
    ended: bool
    name: str


def entry_name(run: str, attempt: int, state: OutcomeState | None, priority: PriorityClass) -> str:
    """Name of an entry's file in the index; its state is None while it is unfinished."""
    return f"{state or _UNFINISHED}/{priority}/{run}-{attempt:06d}"


class RunIndex:
    """Reads and writes the index; any number of threads and processes may do so at once.

    Args:
        root: fsspec location that holds the run folders.
        retry: how long to retry while the store is unavailable.

    Every method raises UnavailableError when the store does not answer, OutputError when it refuses to be read or
    written, and LedgerError for an entry that is not whole.
    """

    def __init__(self, root: str, retry: RetryPolicy = NO_RETRY) -> None:
        self._root = Folder(root, retry)
        self._folder = self._root.subfolder(_FOLDER)
        self._documents = DocumentFolder(self._folder)

    def is_complete(self) -> bool:
        """Whether every run of the ledger has an entry."""
        return self._folder.exists(_COMPLETE)

    def mark_complete(self) -> None:
        """Says that every run of the ledger has an entry."""
        self._folder.replace(_COMPLETE, b"")

    def begin(self, request: RunRequest) -> None:
        """Adds the attempt of a request that is about to be written.

        The entries of the attempt before stay until `forget`, because the process may be killed before the request is
        written. The index of a ledger without a run is complete from then on.
        """
        self.add_unfinished(request.run, request.attempt, request.priority_class)
        if not self.is_complete() and not any(map(is_run, self._root.iterate_names(""))):
            self.mark_complete()

    def add_unfinished(self, run: str, attempt: int, priority: PriorityClass) -> None:
        """Adds an attempt whose state is in its documents."""
        self._folder.replace(entry_name(run, attempt, None, priority), b"")

    def mark_ended(self, request: RunRequest, outcome: Outcome) -> None:
        """Enters an attempt as ended, if it is entered as unfinished.

        A film that is restored without a cluster has no entry, nor has an attempt that was followed by another one.
        """
        if self._folder.exists(entry_name(request.run, request.attempt, None, request.priority_class)):
            self.add_ended(request, outcome)

    def add_ended(self, request: RunRequest, outcome: Outcome) -> None:
        """Adds an attempt that has ended, and removes all other entries of it and of the attempt before."""
        run, attempt = request.run, request.attempt
        name = entry_name(run, attempt, outcome.state, request.priority_class)
        self._documents.replace(name, EndedRun(request=request, outcome=outcome))
        self._folder.remove_all([each for each in _names(run, attempt) if each != name])
        self.forget(run, attempt - 1)

    def forget(self, run: str, attempt: int) -> None:
        """Removes the entries of an attempt; does nothing for the one before the first."""
        if attempt > 0:
            self._folder.remove_all(_names(run, attempt))

    def entries(
        self, states: Iterable[OutcomeState | None], priorities: Iterable[PriorityClass], after: str = ""
    ) -> Iterator[IndexEntry]:
        """Runs in the order of their names, each with its last attempt; lists only as far as they are asked for.

        Args:
            states: that are wanted; None for what has not ended.
            priorities: classes that are wanted.
            after: the first run is the one after this name.
        """
        folders = [(f"{state or _UNFINISHED}/{priority}", state) for state in states for priority in priorities]
        listings = [self._list(folder, state is not None, after) for folder, state in folders]
        for _, same_run in groupby(heapq.merge(*listings), key=lambda entry: entry.run):
            # Of one attempt the unfinished entry is used: its documents have its state.
            yield max(same_run, key=lambda entry: (entry.attempt, not entry.ended))

    def ended(self, entry: IndexEntry) -> EndedRun | None:
        """What an entry says of an attempt that has ended; None when it was removed."""
        return self._documents.read(entry.name, EndedRun)

    def _list(self, folder: str, ended: bool, after: str) -> Iterator[IndexEntry]:
        for name in self._folder.iterate_names(folder, f"{after}{_AFTER_ATTEMPTS}" if after else ""):
            if found := _ENTRY.fullmatch(name):
                yield IndexEntry(found[1], int(found[2]), ended, f"{folder}/{name}")


def _names(run: str, attempt: int) -> list[str]:
    return [entry_name(run, attempt, state, priority) for state in (None, *ENDED_STATES) for priority in CLASSES]
