"""`reelwright cancel`: stops a run."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwright.cli.output import print_notice


def command(run: Annotated[str, typer.Argument(metavar="RUN", help="The run that `submit` printed.")]) -> None:
    """Cancel a run. Work on it stops within seconds. A finished film is not touched."""
    from reelwright.client.cancellation import cancel
    from reelwright.client.connection import connected, open_ledger

    ledger = open_ledger()
    with connected() as bus:
        outcome, changed = cancel(run, ledger, bus)
    print_notice(f"{run}  {outcome.state}{'' if changed else '  it had ended before and is left as it is'}")
