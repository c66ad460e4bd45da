"""Pages of the state of very many runs, by the ledger's index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

from reelwright.client.status import RunState, RunStatus, ended_status, unfinished_status
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_index import CLASSES, ENDED_STATES, IndexEntry, RunIndex
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import Runs
from reelwright.titles.errors import LedgerError, RecipeError
from reelwright.titles.identity import FIRST_ATTEMPT
from reelwright.titles.request import PriorityClass

_READERS = 16
# Runs that are read at a time when few of them are wanted.
_PIECE = 256

Candidate = TypeVar("Candidate")


class StatusPage(NamedTuple):
    """Some of a ledger's runs.

    Attributes:
        statuses: of the runs, newest first.
        next_after: the `after` of the next page; empty when there is none.
        indexed: whether the ledger's index was used; without it every run is read.
    """

    statuses: list[RunStatus]
    next_after: str
    indexed: bool


def list_statuses(
    root: str,
    *,
    limit: int,
    after: str = "",
    state: RunState | None = None,
    priority: PriorityClass | None = None,
) -> StatusPage:
    """A page of the submitted runs of a ledger.

    With a complete index it reads one document of each run that has ended and is shown, and the documents of the
    unfinished ones up to the page's end; otherwise the documents of every run up to the page's end.

    Args:
        root: of the ledger.
        limit: most runs of the page.
        after: the page begins with the first run whose name comes after this one.
        state: the state that is wanted; None for all.
        priority: the priority class that is wanted; None for all.

    Raises:
        OutputError: the ledger cannot be read.
        UnavailableError: the store does not answer.
    """
    runs, index = Runs(root), RunIndex(root)
    indexed = index.is_complete()

    def wanted(status: RunStatus | None) -> bool:
        return status is not None and state in {None, status.state} and priority in {None, status.priority_class}

    if indexed:
        # Whatever is wanted: an attempt may have ended without an entry that says so.
        ended = [each for each in ENDED_STATES if state in {None, each}]
        entries = index.entries([None, *ended], [priority] if priority else CLASSES, after)
        found = _read(entries, partial(_entry_status, runs, index, state), wanted, limit, local=runs.is_local)
    else:
        names = (name for name in runs.names() if name > after)
        found = _read(names, partial(_run_status, runs, state), wanted, limit, local=runs.is_local)
    statuses = sorted(found[:limit], key=lambda status: status.submitted, reverse=True)
    return StatusPage(statuses, found[limit - 1].run if len(found) > limit else "", indexed)


def _read(
    candidates: Iterator[Candidate],
    find: Callable[[Candidate], RunStatus | None],
    wanted: Callable[[RunStatus | None], bool],
    limit: int,
    *,
    local: bool,
) -> list[RunStatus]:
    """The first `limit` runs that are wanted, in the order of the candidates, and one more if there is one."""
    found: list[RunStatus] = []
    with ThreadPoolExecutor(_READERS) as pool:
        # Threads hide the time that a store takes to answer, and cost more than a local disk takes.
        read_all = map if local else pool.map
        # In pieces, so that little more is read than the page needs.
        while (missing := limit + 1 - len(found)) > 0:
            piece = list(islice(candidates, min(_PIECE, max(_READERS, missing))))
            if not piece:
                break
            found += [status for status in read_all(find, piece) if status is not None and wanted(status)]
    return found[: limit + 1]


def _entry_status(runs: Runs, index: RunIndex, state: RunState | None, entry: IndexEntry) -> RunStatus | None:
    """The state of a run of the index; None when it has none, or is not wanted."""
    if entry.ended:
        try:
            ended = index.ended(entry)
        except (LedgerError, RecipeError):
            # The documents of the run are the truth.
            return _document_status(RunLedger(runs.root, entry.run).latest())
        return None if ended is None else ended_status(ended.request, ended.outcome)
    if (
        state in ENDED_STATES
        and runs.outcome(entry.run, entry.attempt) is None
        # A submission that was killed before it wrote its request leaves the attempt before as the last one.
        and (entry.attempt == FIRST_ATTEMPT or runs.has_request(entry.run, entry.attempt))
    ):
        return None
    return _document_status(RunLedger(runs.root, entry.run).latest())


def _run_status(runs: Runs, state: RunState | None, run: str) -> RunStatus | None:
    """The state of a run; None when it was never submitted, or is not wanted."""
    outcome = runs.only_outcome(run)
    # Most runs have ended. Of one that is not wanted nothing else is read.
    if outcome is not None:
        return None if state not in {None, outcome.state} else _document_status(RunLedger(runs.root, run), outcome)
    return _document_status(RunLedger(runs.root, run).latest())


def _document_status(ledger: RunLedger, outcome: Outcome | None = None) -> RunStatus | None:
    outcome = outcome or ledger.outcome()
    try:
        request = ledger.request()
    except (LedgerError, RecipeError) as error:
        # One request that cannot be read must not hide all other runs.
        reason = outcome.reason if outcome else str(error)
        state = outcome.state if outcome else "queued"
        return RunStatus(run=ledger.run, attempt=ledger.attempt, state=state, reason=reason)
    if request is None:
        return None
    return unfinished_status(ledger, request) if outcome is None else ended_status(request, outcome)
