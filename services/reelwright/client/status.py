"""The state of runs, read from the ledger alone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel

from reelwright.ledger.delivery import manifest_location
from reelwright.ledger.progress import count_committed_frames
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.store.folder import parent_folder
from reelwright.titles.errors import LedgerError, RecipeError, UnavailableError, UserError
from reelwright.titles.identity import FIRST_ATTEMPT, RunId
from reelwright.titles.request import PriorityClass, RunRequest

_POLL_SECONDS = 1.0

RunState = Literal["queued", "running", "finished", "failed", "cancelled"]
Outlook = Literal["", "held", "at-risk", "missed"]


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
        reason: why the run ended without a film, or which of its documents cannot be read; empty otherwise.
        cost: of a finished run: what its restoration has cost, as in the manifest.
        damage: of a finished run: what was done about a damaged source, as sentences.
        exit_code: exit code of `status --wait` for this run; 0 unless it ended without a film.
        submitted: Unix seconds.
        deadline: Unix seconds; 0 without a deadline.
        eta: Unix seconds at which it will be restored, by a dispatcher's forecast; 0 without one.
        outlook: whether its deadline holds, by the same forecast: held, at-risk or missed; empty when it is not known.
        forecast: the same in one sentence.
    """

    run: str
    attempt: int = FIRST_ATTEMPT
    state: RunState
    segments_committed: int = 0
    segments_planned: int = 0
    planned: bool = False
    frames_committed: int = 0
    frames: int = 0
    priority_class: PriorityClass = "standard"
    source: str = ""
    output: str = ""
    reason: str = ""
    cost: float = 0.0
    damage: tuple[str, ...] = ()
    exit_code: int = 0
    submitted: float = 0.0
    deadline: float = 0.0
    eta: float = 0.0
    outlook: Outlook = ""
    forecast: str = ""


def known_ledger(run: str, ledger: OpenLedger) -> RunLedger:
    """The ledger of the last attempt of a run that was submitted.

    Raises:
        UserError: this ledger has no such run.
        UnavailableError: the store does not answer.
    """
    with suppress(ValueError):
        found = ledger(RunId(run)).latest()
        if found.is_submitted():
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
    outcome = found.outcome()
    return unfinished_status(found, request) if outcome is None else ended_status(request, outcome)


def find_status(run: str, ledger: OpenLedger) -> RunStatus | None:
    """Reads the state of a run; None when this ledger has no such run.

    Raises:
        UnavailableError: the store does not answer.
    """
    found = ledger(run).latest()
    request = found.request()
    if request is None:
        return None
    outcome = found.outcome()
    return unfinished_status(found, request) if outcome is None else ended_status(request, outcome)


def manifest_digest(output: str) -> str:
    """`sha256:` and the digest of the manifest beside a film, which names the film's own; empty if there is none.

    Raises:
        OutputError: the output cannot be read.
        UnavailableError: its store does not answer.
    """
    folder, name = parent_folder(output)
    data = folder.read(manifest_location(name))
    return "" if data is None else f"sha256:{hashlib.sha256(data).hexdigest()}"


def ended_status(request: RunRequest, outcome: Outcome) -> RunStatus:
    """The state of an attempt that has ended, without a look into the ledger."""
    status = _queued(request)
    status.state, status.reason, status.exit_code = outcome.state, outcome.reason, outcome.exit_code
    status.frames = status.frames_committed = outcome.frames
    status.cost, status.damage = outcome.cost, outcome.damage
    status.output = outcome.output or status.output
    return status


def unfinished_status(ledger: RunLedger, request: RunRequest) -> RunStatus:
    """The state of an attempt that has no outcome; as far as its documents can be read."""
    status = _queued(request)
    try:
        _add_progress(status, ledger, request)
    except (LedgerError, RecipeError) as error:
        # One document that cannot be read must not hide the other runs of a listing.
        status.reason = str(error)
    return status


def _add_progress(status: RunStatus, ledger: RunLedger, request: RunRequest) -> None:
    title = ledger.title()
    if title is None:
        return
    status.state, estimate = "running", request.recipe.excerpt.frames(title.source.video.frames_estimate)
    committed, end = ledger.committed_segments(), ledger.plan_end()
    status.planned = end is not None
    status.segments_committed = len(committed)
    status.segments_planned = end.segments if end is not None else ledger.count_planned()
    status.frames = end.frames if end is not None else estimate
    status.frames_committed = count_committed_frames(ledger, committed)


def _queued(request: RunRequest) -> RunStatus:
    return RunStatus(
        run=request.run,
        attempt=request.attempt,
        state="queued",
        priority_class=request.priority_class,
        source=request.source,
        output=request.output,
        submitted=request.submitted,
        deadline=request.deadline,
    )


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
