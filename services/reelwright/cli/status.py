"""`reelwright status`: how runs stand, by the ledger alone."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN...]", help="All of the ledger if none.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all of them have ended.")] = False,
) -> None:
    """Show how runs stand, newest first. With --wait the exit code is 0 when all are finished."""
    from reelwright.client.connection import ledger_root, open_ledger
    from reelwright.client.status import all_statuses, print_statuses, read_status, wait_for

    ledger = open_ledger()
    names = runs or [status.run for status in all_statuses(ledger_root())]
    code = wait_for(names, ledger) if wait else 0
    print_statuses([read_status(run, ledger) for run in names], as_json=as_json)
    if code:
        raise typer.Exit(code)


command.__name__ = "status"
