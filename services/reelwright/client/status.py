"""How runs stand, read from the ledger alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Literal

import typer
from pydantic import BaseModel

from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger, list_runs
from reelwright.titles.errors import Interrupted, UnavailableError, UserError

_LOOK_SECONDS = 1.0


class RunStatus(BaseModel):
    """How a run stands.

    Attributes:
        run: its name.
        state: queued until its source was opened, running until it has ended.
        segments_committed: how many of its segments are restored and encoded.
        segments_planned: how many there are so far; all of them once `planned`.
        planned: the source was read to its end.
        frames_committed: frames of the committed segments.
        frames: of the film; an estimate until `planned`, 0 while nothing is known.
        source: the film.
        output: where the restored film goes.
        reason: why it has no film; empty where it has one or may still get one.
        exit_code: what `status --wait` leaves with for this run; 0 unless it ended without a film.
        submitted: Unix seconds.
    """

    run: str
    state: Literal["queued", "running", "finished", "failed", "cancelled"]
    segments_committed: int = 0
    segments_planned: int = 0
    planned: bool = False
    frames_committed: int = 0
    frames: int = 0
    source: str = ""
    output: str = ""
    reason: str = ""
    exit_code: int = 0
    submitted: float = 0.0


def known_ledger(run: str, ledger: Callable[[str], RunLedger]) -> RunLedger:
    """The ledger of a run that was submitted.

    Raises:
        UserError: it was not, to this ledger.
    """
    found = ledger(run) if run.isalnum() else None
    if found is None or found.request() is None:
        raise UserError(f"no run named {run!r}", "", "`reelwright status` lists the runs of this ledger")
    return found


def read_status(run: str, ledger: Callable[[str], RunLedger]) -> RunStatus:
    """How a run stands.

    Raises:
        UserError: there is no such run.
    """
    found = known_ledger(run, ledger)
    request, outcome, title = found.request(), found.outcome(), found.title()
    assert request is not None
    status = RunStatus(
        run=run,
        state="running" if title is not None else "queued",
        source=request.source,
        output=request.output,
        submitted=request.submitted,
    )
    if outcome is not None:
        return _ended(status, outcome)
    return status if title is None else _under_way(status, found, title.source.video.frames_estimate)


def _ended(status: RunStatus, outcome: Outcome) -> RunStatus:
    status.state, status.reason, status.exit_code = outcome.state, outcome.reason, outcome.exit_code
    status.frames = status.frames_committed = outcome.frames
    status.output = outcome.output or status.output
    return status


def _under_way(status: RunStatus, ledger: RunLedger, estimate: int) -> RunStatus:
    committed, end = ledger.committed(), ledger.plan_end()
    status.planned = end is not None
    status.segments_committed = len(committed)
    status.segments_planned = end.segments if end is not None else ledger.planned()
    status.frames = end.frames if end is not None else estimate
    status.frames_committed = _frames(ledger, committed)
    return status


def _frames(ledger: RunLedger, committed: set[int]) -> int:
    """Frames of the committed segments.

    A film has thousands of segments, of which all but a window's are committed without a gap: so those that are not
    are read and taken off.
    """
    last = ledger.segment(max(committed)) if committed else None
    if last is None:
        return 0
    gaps = (ledger.plan(segment) for segment in set(range(last.segment)) - committed)
    return last.first_frame + len(last.frames) - sum(len(plan.frames) for plan in gaps if plan is not None)


def all_statuses(root: str) -> list[RunStatus]:
    """How every submitted run of a ledger stands, newest first."""
    ledger = partial(RunLedger, root)
    statuses = [read_status(run, ledger) for run in list_runs(root) if ledger(run).request() is not None]
    return sorted(statuses, key=lambda status: status.submitted, reverse=True)


def wait_for(runs: Sequence[str], ledger: Callable[[str], RunLedger]) -> int:
    """Waits until every run has ended, and says of each that has no film why.

    Returns:
        0 when all are finished, else the exit code of the first that is not.

    Raises:
        UserError: there is no such run.
        Interrupted: the person has waited long enough; the runs go on.
    """
    code = 0
    try:
        for run in runs:
            found = known_ledger(run, ledger)
            while (outcome := _outcome(found)) is None:
                time.sleep(_LOOK_SECONDS)
            if outcome.state != "finished":
                typer.echo(f"reelwright: {run} {outcome.state}: {outcome.reason}", err=True)
                code = code or outcome.exit_code
    except KeyboardInterrupt:
        raise Interrupted("stopped waiting; the runs go on") from None
    return code


def _outcome(ledger: RunLedger) -> Outcome | None:
    """How a run ended; None while it has not, or while the store does not answer: whoever waits waits for that too."""
    with suppress(UnavailableError):
        return ledger.outcome()
    return None


def print_statuses(statuses: Sequence[RunStatus], *, as_json: bool) -> None:
    """Prints a line per run, or a JSON list."""
    if as_json:
        typer.echo(json.dumps([status.model_dump() for status in statuses], indent=2))
        return
    for status in statuses:
        typer.echo(_line(status))


def _line(status: RunStatus) -> str:
    parts = [status.run, f"{status.state:<9}"]
    if status.state == "running":
        more = "" if status.planned else "+"
        about = "" if status.planned else "about "
        parts.append(f"{status.segments_committed} of {status.segments_planned}{more} segments,")
        parts.append(f"{status.frames_committed} of {about}{status.frames} frames")
    elif status.state == "finished":
        parts.append(f"{status.frames} frames")
    parts += [status.output, status.reason]
    return "  ".join(parts).rstrip()
