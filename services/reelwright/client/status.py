"""The state of runs, read from the ledger alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Literal, NamedTuple

from pydantic import BaseModel

from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.ledger.runs import Runs
from reelwright.titles.errors import UnavailableError, UserError
from reelwright.titles.identity import FIRST_ATTEMPT, RunId
from reelwright.titles.request import PriorityClass, RunRequest

_POLL_SECONDS = 1.0
_READERS = 16
_PIECE = 256


class RunStatus(BaseModel):
    """The state of a run.

    Attributes:
        run: its name.
        attempt: number of its last attempt, which the other fields describe.
        state: queued until its source was opened, then running until it has ended.
        segments_committed: number of segments that are restored and encoded.
        segments_planned: number of segments known so far; all of them once `planned`.
        planned: whether the source was read to its end.
        frames_committed: frames of the committed segments.
        frames: frames of the film; an estimate until `planned`, 0 while nothing is known.
        priority_class: express, standard or bulk.
        source: location of the source.
        output: location of the restored film.
        reason: why the run ended without a film; empty otherwise.
        exit_code: exit code of `status --wait` for this run; 0 unless it ended without a film.
        submitted: Unix seconds.
    """

    run: str
    attempt: int = FIRST_ATTEMPT
    state: Literal["queued", "running", "finished", "failed", "cancelled"]
    segments_committed: int = 0
    segments_planned: int = 0
    planned: bool = False
    frames_committed: int = 0
    frames: int = 0
    priority_class: PriorityClass = "standard"
    source: str = ""
    output: str = ""
    reason: str = ""
    exit_code: int = 0
    submitted: float = 0.0


class StatusPage(NamedTuple):
    """Some of a ledger's runs.

    Attributes:
        statuses: of the runs, newest first.
        next_after: the `after` of the next page; empty when there is none.
    """

    statuses: list[RunStatus]
    next_after: str


def known_ledger(run: str, ledger: OpenLedger) -> RunLedger:
    """The ledger of the last attempt of a run that was submitted.

    Raises:
        UserError: this ledger has no such run.
        UnavailableError: the store does not answer.
    """
    with suppress(ValueError):
        found = ledger(RunId(run)).latest()
        if found.request() is not None:
            return found
    raise UserError(f"no run named {run!r}", "", "`reelwright status` lists the runs of this ledger")


def read_status(run: str, ledger: OpenLedger) -> RunStatus:
    """Reads the state of a run.

    Raises:
        UserError: there is no such run.
    """
    found = known_ledger(run, ledger)
    request = found.request()
    assert request is not None
    return _status(found, request, found.outcome())


def _status(ledger: RunLedger, request: RunRequest, outcome: Outcome | None) -> RunStatus:
    # The source of a run that has ended is told by its request, and its frames by its outcome.
    title = ledger.title() if outcome is None else None
    status = RunStatus(
        run=ledger.run,
        attempt=ledger.attempt,
        state="running" if title is not None else "queued",
        priority_class=request.priority_class,
        source=request.source,
        output=request.output,
        submitted=request.submitted,
    )
    if outcome is not None:
        return _ended(status, outcome)
    return status if title is None else _running(status, ledger, title.source.video.frames_estimate)


def _ended(status: RunStatus, outcome: Outcome) -> RunStatus:
    status.state, status.reason, status.exit_code = outcome.state, outcome.reason, outcome.exit_code
    status.frames = status.frames_committed = outcome.frames
    status.output = outcome.output or status.output
    return status


def _running(status: RunStatus, ledger: RunLedger, estimate: int) -> RunStatus:
    committed, end = ledger.committed_segments(), ledger.plan_end()
    status.planned = end is not None
    status.segments_committed = len(committed)
    status.segments_planned = end.segments if end is not None else ledger.count_planned()
    status.frames = end.frames if end is not None else estimate
    status.frames_committed = _frames(ledger, committed)
    return status


def _frames(ledger: RunLedger, committed: set[int]) -> int:
    """Frames of the committed segments.

    A film has thousands of segments, and the committed ones have few gaps. So the last committed record is read, and
    the frames of the missing segments before it are subtracted.
    """
    last = ledger.segment(max(committed)) if committed else None
    if last is None:
        return 0
    gaps = (ledger.plan(segment) for segment in set(range(last.segment)) - committed)
    return last.first_frame + len(last.frames) - sum(len(plan.frames) for plan in gaps if plan is not None)


def list_statuses(
    root: str,
    *,
    limit: int,
    after: str = "",
    state: str | None = None,
    priority: str | None = None,
) -> StatusPage:
    """A page of the submitted runs of a ledger, by one listing and the documents of the runs up to the page's end.

    Args:
        root: of the ledger.
        limit: most runs of the page.
        after: the page begins with the first run whose name comes after this one.
        state: the state of RunStatus that is wanted; None for all.
        priority: the priority class that is wanted; None for all.

    Raises:
        OutputError: the ledger cannot be read.
        UnavailableError: the store does not answer.
    """
    runs = Runs(root)
    names = [name for name in runs.names() if name > after]
    find = partial(_find_status, runs, state=state, priority=priority)
    found: list[RunStatus] = []
    with ThreadPoolExecutor(_READERS) as pool:
        # Threads hide the time that a store takes to answer, and cost more than a local disk takes.
        read_all = map if runs.is_local else pool.map
        # In pieces, so that little more is read than the page needs.
        for first in range(0, len(names), _PIECE):
            piece = names[first : first + _PIECE]
            for status in filter(None, read_all(find, piece)):
                if len(found) == limit:
                    return StatusPage(_newest_first(found), found[-1].run)
                found.append(status)
    return StatusPage(_newest_first(found), "")


def _newest_first(statuses: list[RunStatus]) -> list[RunStatus]:
    return sorted(statuses, key=lambda status: status.submitted, reverse=True)


def _find_status(runs: Runs, run: str, *, state: str | None, priority: str | None) -> RunStatus | None:
    """The state of a run; None when it was never submitted, or is not wanted."""
    outcome = runs.only_outcome(run)
    # Most runs have ended. Of one that is not wanted nothing else is read.
    if outcome is not None and state not in {None, outcome.state}:
        return None
    ledger = RunLedger(runs.root, run)
    if outcome is None:
        ledger = ledger.latest()
        outcome = ledger.outcome()
    request = ledger.request()
    if request is None or (priority and request.priority_class != priority):
        return None
    status = _status(ledger, request, outcome)
    return status if state in {None, status.state} else None


def outcomes(runs: Sequence[str], ledger: OpenLedger) -> Iterator[tuple[str, Outcome]]:
    """Each run with its outcome, in the order given; waits for each run to end.

    Raises:
        UserError: there is no such run.
    """
    for run in runs:
        found = known_ledger(run, ledger)
        while (outcome := _outcome(found)) is None:
            time.sleep(_POLL_SECONDS)
        yield run, outcome


def _outcome(ledger: RunLedger) -> Outcome | None:
    """The outcome of a run; None while it has not ended, or while the store does not answer."""
    with suppress(UnavailableError):
        return ledger.outcome()
    return None
