"""`reelwright status`: the state of runs, read from the ledger alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reelwright.cli.options import JsonOption
from reelwright.cli.output import print_error, print_result
from reelwright.titles.request import PriorityClass

State = Literal["queued", "running", "finished", "failed", "cancelled"]

if TYPE_CHECKING:
    from reelwright.client.status import RunStatus
    from reelwright.ledger.run_ledger import OpenLedger


def command(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN...]", help="Default: all runs, in pages.")] = None,
    as_json: JsonOption = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all of them have ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most runs of a page.")] = 1000,
    after: Annotated[str, typer.Option(metavar="RUN", help="Show the page after the one that ended so.")] = "",
    state: Annotated[State | None, typer.Option(help="Only runs in this state.")] = None,
    priority: Annotated[PriorityClass | None, typer.Option("--class", help="Only runs of this class.")] = None,
) -> None:
    """Show the state of runs, newest first on each page. With --wait the exit code is 0 when all are finished."""
    from reelwright.client.connection import ledger_root, open_ledger
    from reelwright.client.status import read_status
    from reelwright.client.status_pages import list_statuses

    ledger, following = open_ledger(), ""
    if runs:
        statuses = [read_status(run, ledger) for run in runs]
    else:
        page = list_statuses(ledger_root(), limit=limit, after=after, state=state, priority=priority)
        statuses, following = page.statuses, page.next_after
        if statuses and not page.indexed:
            print_error("the ledger has no index, so every run was read: `reelwright runs index` makes it, once")
    code = 0
    if wait:
        code = wait_for_runs([status.run for status in statuses], ledger)
        statuses = [read_status(status.run, ledger) for status in statuses]
    if following:
        print_error(f"there are more runs: --after {following} shows the next ones")
    _add_forecasts(statuses)
    if as_json:
        print_result(json.dumps([status.model_dump() for status in statuses], indent=2))
    else:
        for status in statuses:
            print_result(_line(status))
    if code:
        raise typer.Exit(code)


def wait_for_runs(runs: Sequence[str], ledger: OpenLedger) -> int:
    """Waits until every run has ended, and prints the reason of each that has no film to stderr.

    Returns:
        0 when all are finished, else the exit code of the first that is not.

    Raises:
        Interrupted: Ctrl-C; the runs go on.
    """
    from reelwright.client.status import outcomes
    from reelwright.titles.errors import Interrupted

    code = 0
    try:
        for run, outcome in outcomes(runs, ledger):
            if outcome.state != "finished":
                print_error(f"{run} {outcome.state}: {outcome.reason}")
                code = code or outcome.exit_code
    except KeyboardInterrupt:
        raise Interrupted("stopped waiting; the runs go on") from None
    return code


def _add_forecasts(statuses: Sequence[RunStatus]) -> None:
    """Adds when each run will be restored, where REELWRIGHT_FORECAST_ADDRESS names a dispatcher that answers."""
    under_way = [status for status in statuses if status.state in {"queued", "running"}]
    if not under_way or "REELWRIGHT_FORECAST_ADDRESS" not in os.environ:
        return
    # Imported here: gRPC takes a tenth of a second.
    from reelwright.client.forecast import open_forecasts

    with closing(open_forecasts()) as forecasts:
        for status in under_way:
            found = forecasts.of(status.run, status.attempt)
            if found is not None:
                status.eta, status.outlook, status.forecast = found.finish, found.outlook, found.reason


def _line(status: RunStatus) -> str:
    parts = [status.run, f"{status.state:<9}"]
    if status.state == "running":
        more = "" if status.planned else "+"
        about = "" if status.planned else "about "
        parts.append(f"{status.segments_committed} of {status.segments_planned}{more} segments,")
        parts.append(f"{status.frames_committed} of {about}{status.frames} frames")
    elif status.state == "finished":
        parts.append(f"{status.frames} frames")
    if status.eta:
        parts.append(f"restored about {datetime.fromtimestamp(status.eta).astimezone():%Y-%m-%d %H:%M},")
    parts += [status.output, status.reason or status.forecast or "; ".join(status.damage)]
    return "  ".join(parts).rstrip()
